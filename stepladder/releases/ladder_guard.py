"""Above the lowest rung an image arrives by promotion: what `inv deploy` and `inv function.release` may release there.

That is what the rung serves already, with a new configuration; or, on a rung that was never released and asks for no
approval, what the rung below serves. Everything is decided from reads, before anything is built or applied
(docs/decisions, deploys keep to the ladder).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.names import flags
from stepladder.core.records import dataclass
from stepladder.core.release_facts import LATEST, short
from stepladder.ledger.environment_items import Current
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from stepladder.aws_lambda.lambda_function import FunctionState


@dataclass(frozen=True)
class Pin:
    """The one image that a deploy may release on a rung; nothing is built. `origin` is the rung that serves it."""

    digest: str
    origin: Rung
    why: str
    git_commit: str = ""


def skipped(settings: Settings, environment: str, *, skip_ladder: bool, why: str) -> str:
    """Return the reason to write down for skipping the ladder; empty where there is nothing to skip."""
    if skip_ladder and not why.strip():
        raise BadInputError(
            "--skip-ladder needs a reason", kind="bad-arguments", hint='add `--why "..."`; the ledger keeps it'
        )
    if why and not skip_ladder:
        raise BadInputError(
            "--why belongs to --skip-ladder", kind="bad-arguments", hint="add `--skip-ladder`, or leave `--why` out"
        )
    return why.strip() if skip_ladder and lower_rung(settings, environment) else ""


def lower_rung(settings: Settings, environment: str) -> tuple[str, ...]:
    """Return the targets of the rung below; none for the lowest rung and for an environment off the ladder."""
    before: tuple[str, ...] = ()
    for targets in settings.rungs:
        if environment in targets:
            return before
        before = targets
    return ()


def pin(rung: Rung, alias: Alias | None, ledger: Snapshot, input_key: str, *, force: bool) -> Pin | None:
    """Return the image that a deploy is bound to; None where it may build, or has nothing to build.

    `input_key` is that of the working tree. Raises `RefusedError` when these files make another image than the rung
    serves, or when there is no image below that may be released here.
    """
    if not lower_rung(rung.settings, rung.environment):
        return None
    current = ledger.current
    if current and alias and alias.version != LATEST:
        return _kept(rung, current, input_key)
    if current and (rung.released_version(current) or rung.has_image(current.digest)):
        return Pin(current.digest, rung, f"{rung.target} served {short(current.digest)}")
    served = _served(rung, alias) if alias else None
    if served:
        return _pin(rung, served)
    return first(rung, ledger, force=force)


def _kept(rung: Rung, current: Current, input_key: str) -> Pin | None:
    """Return the image of a rung that was released, whose record may not say from which files it was made."""
    if current.input_key == input_key:
        return None
    if current.input_key:
        raise RefusedError(
            f"{rung.target} gets its images by promotion, and these files make another one than the "
            f"{short(current.digest)} that it serves",
            kind="not-by-promotion",
            hint=_release_below(rung),
        )
    return Pin(current.digest, rung, f"{rung.target} serves {short(current.digest)}")


def first(rung: Rung, ledger: Snapshot, *, force: bool) -> Pin:
    """Return the image for a target that was never released: a sibling's on its rung, else the one of the rung below.

    Raises `RefusedError` when the rung asks for an approval, the rung below serves nothing or not one image, or that
    image is marked bad.
    """
    from stepladder.releases import marks

    settings, environment = rung.settings, rung.environment
    siblings = next(targets for targets in settings.rungs if environment in targets)
    if any(settings.promotion.policies[name].approval for name in siblings):
        raise RefusedError(
            f"{rung.target} was never released, and its first release needs an approval as every other",
            kind="not-by-promotion",
            hint=f"`inv promote` asks for it; or without: {_skip(rung)}",
        )
    pin = _one_image(rung, tuple(name for name in siblings if name != environment), must=False)
    pin = pin or _one_image(rung, lower_rung(settings, environment), must=True)
    if pin is None:
        raise AssertionError("the rung below serves an image, or it was refused")
    for ledger_rung in (pin.origin, rung) if ledger.exists else (pin.origin,):
        marks.check(
            ledger_rung,
            pin.digest,
            force=force,
            hint=f"release another one on {pin.origin.target}, or this all the same with `--force`",
        )
    return pin


def _one_image(rung: Rung, names: tuple[str, ...], *, must: bool) -> Pin | None:
    """Return the one image that these environments serve; None when none of them was released and none `must` be."""
    from stepladder.releases import restore

    pins: list[Pin] = []
    for name in names:
        other = rung.sibling(name)
        alias = other.alias()
        if alias is None:
            other.check_caller()  # what another account can't show isn't "never released"
        served = _served(other, alias) if alias else None
        if served:
            pins.append(_pin(other, served))
        elif must:
            raise (None if alias else restore.deleted(other)) or RefusedError(
                f"{rung.target} was never released, and neither was {other.target} below it",
                kind="nothing-live",
                hint=f"begin there: `inv deploy {other.flags}`",
            )
    if len({pin.digest for pin in pins}) > 1:
        served_by = ", ".join(pin.why for pin in pins)
        raise RefusedError(
            f"the targets of a rung don't serve one image: {served_by}",
            kind="not-by-promotion",
            hint="promote one to all of them: `inv promote`",
        )
    return next(iter(pins), None)


def _pin(other: Rung, served: FunctionState) -> Pin:
    from stepladder.releases import served_commit

    current = other.ledger.snapshot(other.target).current
    commit = served_commit.read(other.ledger, other.target, served.version, served.description, current)
    return Pin(served.digest, other, f"{other.target} serves {short(served.digest)}", commit)


def _served(other: Rung, alias: Alias) -> FunctionState | None:
    """Return the version that a rung serves to everybody; None when it was never released. Refuses one in motion."""
    if alias.version == LATEST:
        return None
    deployment = other.active_deployment()
    if deployment or alias.weights:
        raise RefusedError(
            f"{other.target} serves no single version: {alias.version}{aliases.weighted(alias)}"
            + (f", deployment {deployment} is under way" if deployment else ""),
            kind="deployment-under-way",
            hint=f"wait for it, or return: `inv rollback {other.flags}`",
        )
    state = other.function.read(alias.version)
    if state is None or not state.digest:
        raise RefusedError(
            f"version {alias.version} of {other.names.function} doesn't name its image",
            kind="image-missing",
            hint=f"release one on {other.target}: `inv deploy {other.flags}`",
        )
    return state


def check_release(rung: Rung, alias: Alias, ledger: Snapshot, digest: str, *, force: bool) -> Pin | None:
    """Refuse to release an image by hand on a rung that gets its images by promotion.

    Returns the rung that serves it, when it comes from another one.
    """
    lower = lower_rung(rung.settings, rung.environment)
    if not lower:
        return None
    now = None if ledger.current else _served(rung, alias)
    served = ledger.current.digest if ledger.current else now.digest if now else ""
    allowed = None if served else first(rung, ledger, force=force)
    if digest == (allowed.digest if allowed else served):
        return allowed
    past = _skip(rung, "function.release", f" --digest {digest}")
    raise RefusedError(
        f"{rung.target} gets its images by promotion, and {short(digest)} isn't the one that it may get: "
        f"{allowed.why if allowed else f'it serves {short(served)}'}",
        kind="not-by-promotion",
        hint=f"promote it: `inv promote --digest {digest}`; or past the ladder: {past}",
    )


def _release_below(rung: Rung) -> str:
    lowest = rung.settings.lowest
    return (
        f"release it on {lowest}, then promote it: `inv deploy {flags(lowest, rung.settings.name_of_function)}`, "
        f"`inv promote`; or past the ladder: {_skip(rung)}"
    )


def _skip(rung: Rung, task: str = "deploy", what: str = "") -> str:
    return f'`inv {task} {rung.flags}{what} --skip-ladder --why "..."`'
