"""What promotions require of an image beside its scan: refused before anything is applied or started."""

from __future__ import annotations

from collections.abc import Mapping

from stepladder import images
from stepladder.core.errors import RefusedError
from stepladder.core.release_facts import short
from stepladder.promotion.executions import StateMachine
from stepladder.promotion.subject import Subject
from stepladder.settings import functions


def check(machine: StateMachine, subjects: Mapping[str, Subject]) -> None:
    """Raise `RefusedError` for an image without the documents that `promotion.require` names, or with wrong ones.

    Each image is read once, in the repository of the primary location. Without a requirement nothing is read.
    """
    required = machine.settings.promotion.require
    if not required:
        return
    from stepladder.images.attest import verify

    primary = machine.representatives[0]
    owners: dict[str, list[str]] = {}
    for name, subject in subjects.items():
        owners.setdefault(subject.digest, []).append(name or functions.MAIN)
    for digest, names in owners.items():
        documents = images.attest_of(primary.aws, primary.names, digest, machine.settings)
        lacking = verify.lacking(documents, required)
        if not lacking:
            continue
        whose = f", the image of {', '.join(names)}," if machine.settings.function_names != ("",) else ""
        environment = machine.settings.lowest
        raise RefusedError(
            f"{short(digest)}{whose} has {', '.join(lacking)}, and promotion.require asks for it",
            kind="not-attested",
            hint=f"see what it has: `inv image.verify --env {environment} --digest {digest}`"
            + ("" if verify.unverified(documents, required) else verify.pushing(environment)),
        )
