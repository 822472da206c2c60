"""A build that begins before its turn, in an engine that takes its time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes import image_project as project

from stepladder.core.step import Step
from stepladder.images.base.engine import BaseSource
from stepladder.images.builder import BuildJob
from stepladder.images.docker import ahead, build
from stepladder.images.docker.ahead import BuildAhead
from stepladder.images.model import EngineImage
from stepladder.images.revision import SourceRevision

SOURCE = BaseSource("base", "base", "base")
IMAGE = EngineImage("sha256:1", "base", 1, "x86_64")


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """An engine that hangs until the event is set."""
    event = threading.Event()

    def hanging(*_: object, **__: Any) -> EngineImage:
        event.wait(60)
        return IMAGE

    monkeypatch.setattr(build, "build", hanging)
    yield event
    event.set()


@pytest.mark.timeout(30)
def test_an_engine_that_hangs_holds_up_nothing_before_its_turn(
    answering: threading.Event, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_PATIENCE", 0.01)
    settings = project.make(tmp_path)
    job = BuildJob(settings, settings.names("staging"), "key", SourceRevision("", ()), Step("image"), print)
    begun = BuildAhead(job, SOURCE)
    begun.wait_sent()
    answering.set()
    assert begun.result(SOURCE, print) is IMAGE
