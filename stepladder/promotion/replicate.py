"""Copy an image to every location of the ladder: a function takes its image from its own account and region."""

from __future__ import annotations

from collections.abc import Iterable

from stepladder import images
from stepladder.core.release_facts import short
from stepladder.promotion.executions import StateMachine
from stepladder.settings import locations


def copy_images(machine: StateMachine, digests: Iterable[str]) -> None:
    """Copy images from the primary location's repository to those locations that lack them. Digests stay the same.

    Raises `RefusedError` when the primary location lacks one, `NotReadyError` when a location has no repository.
    """
    primary, *others = machine.representatives
    required = bool(machine.settings.promotion.require)
    for digest in dict.fromkeys(digests) if others else ():
        with machine.console.step("image") as step:
            copied = []
            for rung in others:
                location = locations.of(rung.settings, rung.environment)
                step.progress(f"looking in {location}")
                if images.copy(
                    (primary.aws, primary.names),
                    (rung.aws, rung.names),
                    digest,
                    primary.settings.build_dir,
                    referrers_too=required,
                ):
                    copied.append(str(location))
            if copied:
                step.done(f"{short(digest)} copied to {', '.join(copied)}")
            else:
                step.skip(f"{short(digest)} is in every place")
