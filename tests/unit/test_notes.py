"""What would be said at every run is said once in a checkout, and again when it changes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stepladder.core import container_engine, notes
from stepladder.images import choose, revision
from stepladder.images.base import usable
from stepladder.images.base.registry import Bases
from stepladder.images.builder import BuildJob
from stepladder.images.layers import base_choice as base


def test_a_note_is_said_once_and_again_when_what_it_says_changes(tmp_path):
    said = []
    for text in ("no engine", "no engine", "an engine elsewhere", "no engine", "no engine"):
        notes.once(tmp_path / ".stepladder", "builder", said.append)(text)
    assert said == ["no engine", "an engine elsewhere", "no engine"]


def test_topics_and_checkouts_know_nothing_of_each_other(tmp_path):
    assert notes.is_new(tmp_path / "one", "builder", "x")
    assert notes.is_new(tmp_path / "one", "base image", "x")
    assert notes.is_new(tmp_path / "two", "builder", "x")
    assert not notes.is_new(tmp_path / "one", "builder", "x")


def test_a_broken_memory_says_it_again(tmp_path):
    (tmp_path / notes.FILE).write_text("{")
    assert notes.is_new(tmp_path, "builder", "x")
    assert not notes.is_new(tmp_path, "builder", "x")


def test_a_folder_that_cant_be_written_hides_no_note(tmp_path):
    (tmp_path / "file").write_text("")
    assert notes.is_new(tmp_path / "file", "builder", "x")


@pytest.mark.parametrize("endpoint", ["", "http://127.0.0.1:1"], ids=["AWS", "a local cloud"])
def test_that_no_engine_answers_is_said_at_the_first_build_only(image_harness, monkeypatch, endpoint):
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setattr(Bases, "host", lambda _self: None)
    said = []
    for found in (None, None, "elsewhere"):
        monkeypatch.setattr(container_engine, "find", lambda: None)
        if found:
            monkeypatch.setattr(usable, "why_not", lambda *_args, **_flags: "the engine is elsewhere")
        settings = image_harness.settings
        settings = replace(settings, image=replace(settings.image, base=""))
        work = BuildJob(settings, settings.names("staging"), "key", revision.read(settings), None, said.append)
        if endpoint:
            base.base(work)
        else:
            choose.builder(work)
    assert [text.partition(":")[0] for text in said] == ["no container engine answers", "the engine is elsewhere"]
