"""What is to be promoted: a digest, a release of the lowest rung, or what the lowest rung serves now."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.lambda_function import LambdaFunction
from stepladder.core.aws import error_code
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.names import flags_of
from stepladder.core.release_facts import LATEST
from stepladder.ledger.items import NOT_FOUND
from stepladder.ledger.schema import SUCCEEDED, ReleaseEntry
from stepladder.releases import marks, restore, served_commit
from stepladder.releases.rung import Rung
from stepladder.settings import functions

_DIGEST = "sha256:"
_DIGEST_LENGTH = len(_DIGEST) + 64


@dataclass(frozen=True)
class PromotionOptions:
    """The caller's options. At most one of `digest` and `release` is given; with neither, the lowest rung's image.

    `infra` applies changed infrastructure first, and creates rungs without a question. `functions` are the names of
    those that are promoted, if they have changed; none stands for all of the project. `during_freeze` releases on rungs
    that are frozen, for the reason `why`.
    """

    digest: str = ""
    release: str = ""
    hotfix: bool = False
    force: bool = False
    no_smoke: bool = False
    infra: bool = False
    functions: tuple[str, ...] = ()
    during_freeze: bool = False
    why: str = ""


def functions_of(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the names of the functions that `--function` says, each once: `main` is the project's own one."""
    return tuple(dict.fromkeys("" if flag == functions.MAIN else flag for flag in flags or ()))


@dataclass(frozen=True)
class Subject:
    """The image that is to be promoted, before it has a release id. `digest` starts with `sha256:`."""

    digest: str
    git_commit: str
    input_key: str = ""


def read_subject(rung: Rung, options: PromotionOptions) -> Subject:
    """Return the image that the options name. `rung` is the function in any environment of the primary location.

    Raises `BadInputError` (two names, a malformed digest, an unknown release) and `RefusedError` (a release that
    failed, a lowest rung without a release).
    """
    lowest = rung.settings.names(rung.settings.lowest).target
    if options.digest and options.release:
        raise BadInputError(
            "--digest and --release name the same thing",
            kind="bad-arguments",
            hint="leave out `--digest` or `--release`",
        )
    if options.release:
        return _of_release(rung, lowest, options.release, force=options.force)
    if options.digest:
        digest = options.digest if options.digest.startswith(_DIGEST) else _DIGEST + options.digest
        if len(digest) != _DIGEST_LENGTH:
            raise BadInputError(
                f"{options.digest!r} is no digest",
                kind="unknown-digest",
                hint="give all 64 digits, as `inv status` shows",
            )
        known = served_commit.released(rung.ledger, lowest, digest)
        return Subject(digest, known.git_commit if known else "unknown", known.input_key if known else "")
    return _of_lowest(rung, lowest)


def _of_release(rung: Rung, lowest: str, release_id: str, *, force: bool) -> Subject:
    """Return the image of a release of the lowest rung, whose key is given. Without `force` it must have succeeded."""
    release = rung.ledger.find(lowest, release_id)
    if not release:
        raise BadInputError(
            f"{lowest} has no release {release_id!r}",
            kind="unknown-release",
            hint=f"its releases: `inv ledger {flags_of(lowest)}`",
        )
    _refuse_without_image(release, lowest)
    if release.result != SUCCEEDED and not force:
        raise RefusedError(
            f"release {release_id} ended {release.result} on {lowest}: {release.cause or 'no cause was recorded'}",
            kind="release-failed",
            hint=f"name one that succeeded (`inv ledger {flags_of(lowest)}`), or promote it all the same: "
            f"`inv promote --release {release_id} --force`",
        )
    return Subject(release.digest, release.git_commit, release.input_key)


def _refuse_without_image(release: ReleaseEntry, lowest: str) -> None:
    if release.digest:
        return
    raise RefusedError(
        f"release {release.release_id} ended {release.result} on {lowest} before it had an image: "
        f"{release.cause or 'no cause was recorded'}",
        kind="release-failed",
        hint=f"name one that succeeded: `inv ledger {flags_of(lowest)}`",
    )


def read_lowest(rung: Rung) -> aliases.Alias:
    """Return the function's alias on the lowest rung. Raises `RefusedError` for one that was never released."""
    named = rung.settings.names(rung.settings.lowest)
    alias, flags = aliases.read(rung.lambda_client, named.function), flags_of(named.target)
    if alias is None:
        raise restore.deleted(rung.sibling(named.environment)) or RefusedError(
            f"{named.target} has no function yet", kind="nothing-live", hint=f"deploy it first: `inv deploy {flags}`"
        )
    rung.check_account(alias.account)
    if alias.version == LATEST:
        raise RefusedError(
            f"{named.target} has no release yet", kind="nothing-live", hint=f"release it first: `inv deploy {flags}`"
        )
    return alias


def _of_lowest(rung: Rung, lowest: str) -> Subject:
    """Return the image that the lowest rung serves. Lambda names the image, the ledger its input key and commit."""
    function = rung.settings.names(rung.settings.lowest).function
    alias = read_lowest(rung)
    if alias.weights:
        raise RefusedError(
            f"{lowest} is being shifted: it serves version {alias.version}{aliases.weighted(alias)}",
            kind="deployment-under-way",
            hint=f"wait for its deployment to end: `inv status {flags_of(lowest)}` shows it",
        )
    state = LambdaFunction(rung.lambda_client, function, clock=rung.clock).read(alias.version)
    if state is None or not state.digest:
        raise RefusedError(
            f"version {alias.version} of {function} has no image",
            kind="image-missing",
            hint=f"only images are promoted: `inv deploy {flags_of(lowest)}` makes one",
        )
    current = rung.ledger.snapshot(lowest).current
    input_key = current.input_key if current and current.digest == state.digest else ""
    commit = served_commit.read(rung.ledger, lowest, alias.version, state.description, current)
    return Subject(state.digest, commit or "unknown", input_key)


def check_mark(rung: Rung, digest: str) -> None:
    """Raise `RefusedError` for a digest that is marked bad in the ledger of the rung's location."""
    try:
        bad = rung.ledger.is_bad(digest)
    except Exception as error:
        if error_code(error) != NOT_FOUND:
            raise
        return  # a location without a foundation has no ledger yet
    if bad:
        raise marks.refused(digest, bad, "release another image, promote it all the same with `inv promote --force`")
