"""Bad marks: what a deploy refuses because of one, and taking one away, in the ledger of every place that has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TypedDict

from stepladder.core.aws import error_code, explain
from stepladder.core.clock import stamp
from stepladder.core.display import plain_cause
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.core.names import target_key
from stepladder.core.release_facts import short
from stepladder.ledger.items import NOT_FOUND
from stepladder.ledger.schema import Bad, Unmarked
from stepladder.releases.rung import Rung
from stepladder.settings.load import Settings

_SHA = "sha256:"
_WHOLE = 64  # hexadecimal digits
_FEWEST = 6  # of them name an image that a ledger knows
_HISTORY = 100  # releases of an environment among which an image is searched


@dataclass(frozen=True)
class ImageQuery:
    """The image that a mark is about: all of its digest, or its beginning, or a release of it."""

    digest: str = ""
    release: str = ""


def check(rung: Rung, digest: str, *, force: bool, hint: str) -> None:
    """Refuse a digest that any place's ledger marks as bad, the rung's own first; with `force` only warn."""
    bad = rung.ledger.is_bad(digest) or _at_other_locations(rung, digest)
    if bad is None:
        return
    if not force:
        raise refused(digest, bad, hint)
    rung.console.warn(f"image {short(digest)} is marked bad ({plain_cause(bad.why)}); released by --force")


def check_deploy(rung: Rung, digest: str, *, force: bool) -> None:
    """Refuse what a deploy would release although it is marked bad."""
    check(rung, digest, force=force, hint="change the code, release it with `--force`")


def refused(digest: str, bad: Bad, instead: str) -> RefusedError:
    """Return the one refusal of a digest that is marked bad; `instead` is what may be done about it."""
    return RefusedError(
        bad.refusal(f"image {short(digest)}"),
        kind="marked-bad",
        hint=f"{instead}, or take the mark away: `{unmark_command(digest)}`",
    )


def unmark_command(digest: str) -> str:
    """Return the command that takes a digest's mark away."""
    return f"inv ledger.unmark --digest {short(digest)}"


def ledger_environments(settings: Settings) -> tuple[str, ...]:
    """Return one environment for each account and region that has a ledger, the lowest rung's first."""
    chosen: dict[tuple[str, str], str] = {}
    ladder = list(settings.ladder_environments)
    for name in (*ladder, *(name for name in settings.environments if name not in ladder)):
        at = settings.environment(name)
        if name in ladder or (at.account, at.region) not in chosen:
            chosen[at.account, at.region] = name  # the highest rung of a place stands for it, as in a promotion
    return tuple(chosen.values())


def known(rungs: Sequence[Rung], digests: Collection[str]) -> dict[str, Bad]:
    """Return the marks that any place's ledger has of some digests, in one call to each.

    The mark counts in every place, since a promotion looks at all of them. A place that can't be read is passed over.
    """
    if not digests:
        return {}
    own = {rung.environment: rung for rung in rungs}
    return _known([own.get(name) or rungs[0].sibling(name) for name in ledger_environments(rungs[0].settings)], digests)


def _at_other_locations(rung: Rung, digest: str) -> Bad | None:
    """Return the mark that a digest has in the ledger of another place; no call where there is one place only."""
    others = _other_locations(rung)
    return _known(others, {digest}).get(digest) if others else None


def _other_locations(rung: Rung) -> list[Rung]:
    """Return a rung of each other account and region that has a ledger."""
    settings = rung.settings
    own = (rung.names.account, rung.names.region)
    return [
        rung.sibling(name)
        for name in ledger_environments(settings)
        if (settings.environment(name).account, settings.environment(name).region) != own
    ]


def known_remotely(rung: Rung, digests: Collection[str], *, within: float) -> dict[str, Bad]:
    """Return the marks that the other locations have of some digests, as far as they answer `within` seconds.

    A rollback must not wait for a region that is down. A warning names the location that was passed over.
    """
    others = _other_locations(rung)
    answers: dict[str, dict[str, Bad] | None] = {other.environment: None for other in others}

    def read(other: Rung) -> None:
        try:
            answers[other.environment] = _readable(other, digests)
        except Exception as error:
            if not error_code(error):
                raise

    threads = [threading.Thread(target=read, args=(other,), daemon=True, name="marks") for other in others]
    for thread in threads:
        thread.start()
    until = time.monotonic() + within
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    answered = dict(answers)  # a late thread may still write
    unread = [f"{other.names.account} {other.names.region}" for other in others if answered[other.environment] is None]
    if unread:
        rung.console.warn(f"the bad marks of {', '.join(unread)} can't be read, so they don't count")
    return {digest: bad for marks in answered.values() if marks for digest, bad in marks.items()}


def _known(ledgers: Sequence[Rung], digests: Collection[str]) -> dict[str, Bad]:
    with ThreadPoolExecutor(len(ledgers), thread_name_prefix="marks") as pool:
        answers = list(pool.map(lambda rung: _readable(rung, digests) or {}, ledgers))
    return {digest: bad for marks in reversed(answers) for digest, bad in marks.items()}


def _readable(rung: Rung, digests: Collection[str]) -> dict[str, Bad] | None:
    """Return the marks that a location's ledger has of some digests; None when it can't be read."""
    try:
        return rung.ledger.marks(digests)
    except Exception as error:
        if error_code(error) == NOT_FOUND:  # no ledger there yet
            return {}
        if not isinstance(error, StepladderError) and explain(error) is None:
            raise
        return None


class UnmarkRecord(TypedDict):
    """What `inv ledger.unmark` did, for `--json`. `unmarked` has the account, the region and the mark of each."""

    digest: str
    by: str
    why: str
    unmarked: list[dict[str, str]]


def unmark(rung: Rung, image: ImageQuery, why: str = "") -> UnmarkRecord:
    """Take an image's mark away in every place's ledger, and return the record of who did it, when and why.

    Raises `BadInputError` when the image isn't named clearly. Where a place can't be reached, the others are done
    first; the error then carries the record.
    """
    ledgers = [rung.sibling(name) for name in ledger_environments(rung.settings)]
    digest = _digest(ledgers, image)
    record: UnmarkRecord = {"digest": digest, "by": rung.requested_by, "why": why, "unmarked": []}
    failed: list[tuple[Rung, Exception]] = []
    for other in ledgers:
        try:
            record["unmarked"] += _unmark(other, digest, why)
        except Exception as error:  # noqa: BLE001 - reported below
            failed.append((other, error))
    if len(failed) == len(ledgers):
        raise failed[0][1]
    if failed:
        left = ", ".join(f"{at.names.account} {at.names.region}" for at, _ in failed)
        first, why_not = failed[0]
        raised = StepladderError(
            f"the mark of image {short(digest)} may be left in {left}: {error_code(why_not) or why_not}",
            kind="mark-left",
            hint=f"with credentials that reach {first.environment}, run the same command again",
        )
        raised.record = dict(record)
        raise raised from why_not
    if not record["unmarked"]:
        rung.console.line(f"nothing to do: image {short(digest)} is not marked bad")
    return record


def _unmark(rung: Rung, digest: str, why: str) -> Iterator[dict[str, str]]:
    """Take the mark away in one place and say so; nothing when there is none."""
    try:
        bad = rung.ledger.is_bad(digest)
        while bad and not rung.ledger.unmark(digest, bad, Unmarked(stamp(rung.clock.now()), rung.requested_by, why)):
            bad = rung.ledger.is_bad(digest)  # somebody changed it in between
    except Exception as error:
        if error_code(error) != NOT_FOUND:  # no ledger there yet
            raise
        return
    if bad:
        where = f"{rung.names.account} {rung.names.region}"
        rung.console.line(f"image {short(digest)} is no longer marked bad in {where}; {_was(bad)}")
        yield {"account": rung.names.account, "region": rung.names.region, **asdict(bad)}


def _was(bad: Bad) -> str:
    return f"it was since {bad.marked_at}, by {bad.by}: {plain_cause(bad.why)}"


def _digest(ledgers: list[Rung], image: ImageQuery) -> str:
    if bool(image.digest) == bool(image.release):
        raise BadInputError(
            "one of --digest and --release is needed",
            kind="bad-arguments",
            hint="give `--digest sha256:...` or `--release`, as the ledger has them",
        )
    if image.digest:
        return _whole(ledgers, image.digest)
    entries = (rung.ledger.find(target, image.release) for rung, target in _targets(ledgers))
    digests = {entry.digest for entry in entries if entry and entry.digest}
    if len(digests) > 1:  # of functions with images of their own, which were released together
        listed = ", ".join(sorted(map(short, digests)))
        raise BadInputError(
            f"release {image.release} is of {len(digests)} images: {listed}",
            kind="unknown-digest",
            hint=f"say which: for example `{unmark_command(min(digests))}`",
        )
    if digests:
        return digests.pop()
    raise BadInputError(
        f"no environment has a release {image.release!r} of an image",
        kind="unknown-release",
        hint=f"the releases of an environment: `inv ledger --env {ledgers[0].settings.lowest}`",
    )


def _whole(ledgers: list[Rung], digest: str) -> str:
    """Complete the beginning of a digest from the releases of all environments, or from what is marked."""
    digits = digest.strip().lower().removeprefix(_SHA)
    if not digits or set(digits) - set("0123456789abcdef") or len(digits) > _WHOLE:
        raise BadInputError(
            f"{digest!r} is no digest", kind="unknown-digest", hint="give digits as `inv status` shows them"
        )
    if len(digits) == _WHOLE:
        return _SHA + digits
    if len(digits) < _FEWEST:
        raise BadInputError(
            f"digest {digest!r} is too short",
            kind="unknown-digest",
            hint=f"give at least {_FEWEST} digits; `inv ledger {ledgers[0].flags}` lists the images",
        )
    known = {
        entry.digest
        for rung, target in _targets(ledgers)
        for entry in rung.ledger.history(target, limit=_HISTORY)
        if entry.digest.startswith(_SHA + digits)
    }
    known = known or {marked for rung in ledgers for marked in rung.ledger.marked(_SHA + digits)}
    if len(known) != 1:
        what = "several images begin so" if known else "no ledger knows such an image"
        raise BadInputError(
            f"digest {digest!r} is not clear: {what}",
            kind="unknown-digest",
            hint=f"give all 64 digits; `inv ledger {ledgers[0].flags}` lists the images",
        )
    return known.pop()


def _targets(ledgers: list[Rung]) -> Iterator[tuple[Rung, str]]:
    """Yield every function in every environment, with a rung of its place; one without a ledger is passed over."""
    for rung in ledgers:
        if not rung.ledger.snapshot(rung.target).exists:
            continue
        for name in rung.settings.environments:
            at = rung.settings.environment(name)
            if (at.account, at.region) == (rung.names.account, rung.names.region):
                yield from ((rung, target_key(name, each)) for each in rung.settings.whole.function_names)
