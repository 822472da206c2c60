"""Commands that run in this process against a local cloud, without Terraform, which tests/e2e runs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from localcloud import daemon
from stepladder.promotion import infra, replicate
from stepladder.releases import ended_promotion
from stepladder.releases.interfaces import ReleaseImage


@contextmanager
def pointed_at(cloud: Any, *, brief: float) -> Iterator[pytest.MonkeyPatch]:
    """Point this process at a cloud; `brief` are the real seconds in which a lock is tried to be given back."""
    with pytest.MonkeyPatch.context() as patch:
        for variable in daemon.UNSET:
            patch.delenv(variable, raising=False)
        for variable, value in cloud.env.items():
            patch.setenv(variable, value)
        patch.setattr(infra, "prepare", _without_terraform)
        patch.setattr(ended_promotion, "_BRIEF", brief)
        try:
            yield patch
        finally:
            cloud.speed(1)
            cloud.faults()


def _without_terraform(machine: Any, _missing: Any, digests: Mapping[str, str], **_: Any) -> tuple[str, ...]:
    """Do what is left of getting ready for a promotion when nothing is to be applied."""
    replicate.copy_images(machine, digests.values())
    return ()


@dataclass
class PushedImage:
    """The image of a project, which is pushed already. `uri` returns it by its digest."""

    name: str
    uri: Callable[[], str]

    def input_key(self) -> str:
        return hashlib.sha256(self.name.encode()).hexdigest()

    def check(self) -> None:
        """Every file is good."""

    def check_handlers(self) -> None:
        """The settings name no handler."""

    def build(self, step: Any) -> str:
        """Return what was pushed before."""
        return self.uri()

    def begin(self) -> None:
        """It is built already."""

    def prepare(self, step: Any, later: Any = None) -> ReleaseImage:
        step.done("pushed before")
        uri = self.uri()
        return ReleaseImage(uri.rpartition("@")[2], uri, input_key=self.input_key())

    def fetch(self, pin: Any, step: Any) -> ReleaseImage:
        step.done("is there")
        return ReleaseImage(pin.digest, f"{self.uri().rpartition('@')[0]}@{pin.digest}", pin.git_commit)
