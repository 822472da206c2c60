"""Move the alias and verify it; when that can't be verified, put it back and verify that.

What decides is always what the alias itself says: UpdateAlias may have taken effect though its answer was lost.
"""

from __future__ import annotations

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.clock import passes_or_unreachable, retrying
from stepladder.core.errors import RollbackFailedError, RolledBackError, StepladderError
from stepladder.releases.rung import Rung

PATIENCE = 60.0  # seconds to go on asking what the alias serves


def move(rung: Rung, alias: Alias, version: str, *, put_back: bool = True) -> Alias:
    """Point the alias, as it was read, at a version; return it as it was read back.

    Raises `RefusedError` when somebody else moved it meanwhile; what AWS said when it didn't move; `RolledBackError`
    when it couldn't be verified and was restored, `RollbackFailedError` when that failed, or with `put_back` off
    (where it began is what it has to leave), or when nobody can know whether it moved.
    """
    with rung.console.step("alias") as step:
        rung.lock.check()
        if alias.serves(version):
            now = aliases.read(rung.lambda_client, rung.names.function)  # the read before is older than a build
            if not now or not now.serves(version):
                raise aliases.changed(rung.names.function, now)
            step.skip(f"{names.ALIAS} serves version {version} already")
            return now
        moved = _point(rung, alias, version)
        now, why = _read(rung)
        if not now or not now.serves(version):
            problem = f"alias {names.ALIAS} of {rung.names.function} was moved to version {version} but isn't verified"
            problem = f"{problem}: {why or aliases.described(now)}"
            if put_back:
                _put_back(rung, alias, moved, problem)
            raise _failed(rung, problem)
        step.done(f"{names.ALIAS}: {alias.version} -> {version}, verified")
        return now


def _point(rung: Rung, alias: Alias, version: str) -> Alias:
    """Call UpdateAlias. When it fails otherwise than by its guard, the alias says whether it moved."""
    try:
        return aliases.move(rung.lambda_client, rung.names.function, version, revision=alias.revision, clock=rung.clock)
    except StepladderError:
        raise
    except Exception as error:
        now, why = _read(rung)
        if why:
            raise _failed(
                rung,
                f"alias {names.ALIAS} of {rung.names.function} may serve version {version} or {alias.version}: "
                f"moving it ended with {_reason(error)}, and it can't be read: {why}",
            ) from error
        if now and now.revision == alias.revision:
            raise  # it didn't move, so what AWS said is all there is to say
        if now and now.serves(version):
            rung.console.warn(f"UpdateAlias ended with {_reason(error)}, but the alias serves version {version}")
            return now
        raise aliases.changed(rung.names.function, now) from error


def _read(rung: Rung) -> tuple[Alias | None, str]:
    """Read the alias with patience; the text says why it can't be read, and is empty when it can."""
    try:
        read = retrying(
            lambda: aliases.read(rung.lambda_client, rung.names.function),
            rung.clock,
            timeout=PATIENCE,
            passes=passes_or_unreachable,
        )
    except Exception as error:  # noqa: BLE001 - not read is not read, whatever the reason
        return None, _reason(error)
    return read, ""


def _put_back(rung: Rung, before: Alias, moved: Alias, problem: str) -> None:
    """Restore the alias to where it began, verify that, and raise how it ended."""
    try:
        now = aliases.read(rung.lambda_client, rung.names.function) or moved
        aliases.move(rung.lambda_client, rung.names.function, before.version, revision=now.revision, clock=rung.clock)
    except Exception as error:
        raise _failed(rung, f"{problem}, and putting it back to {before.version} failed: {_reason(error)}") from error
    back, _ = _read(rung)
    if not back or not back.serves(before.version):
        raise _failed(rung, f"{problem}, and neither is its return to {before.version}")
    raise RolledBackError(
        f"{problem}; it serves version {before.version} again, verified",
        hint="somebody else may be moving it; run `inv status`, then run the same command again",
    )


def _failed(rung: Rung, problem: str) -> RollbackFailedError:
    return RollbackFailedError(problem, hint=f"run now: `inv status {rung.flags}`; then `inv rollback {rung.flags}`")


def _reason(error: Exception) -> str:
    return error_code(error) or getattr(error, "message", "") or str(error)
