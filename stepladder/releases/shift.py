"""Move the alias and verify it; when that can't be verified, put it back and verify that."""

from __future__ import annotations

from stepladder import names
from stepladder.aws import error_code
from stepladder.errors import RollbackFailedError, RolledBackError
from stepladder.releases import alias as aliases
from stepladder.releases.alias import Alias
from stepladder.releases.clock import retrying
from stepladder.releases.rung import Rung


def move(rung: Rung, alias: Alias, version: str) -> Alias:
    """Point the alias, as it was read, at a version; return it as it was read back.

    Raises `RefusedError` when somebody else moved it meanwhile, `RolledBackError` when it couldn't be verified and was
    put back, `RollbackFailedError` when that failed.
    """
    with rung.console.step("alias") as step:
        if alias.serves(version):
            step.skip(f"{names.ALIAS} serves version {version} already")
            return alias
        rung.lock.check()
        moved = aliases.move(
            rung.lambda_client, rung.names.function, version, revision=alias.revision, clock=rung.clock
        )
        verified = _verify(rung, version)
        if verified is None:
            _put_back(rung, alias, moved, version)
        step.done(f"{names.ALIAS}: {alias.version} -> {version}, verified")
        return verified or moved


def _verify(rung: Rung, version: str) -> Alias | None:
    """Read the alias back; None when it doesn't serve the version, or can't be read."""
    try:
        now = retrying(lambda: aliases.read(rung.lambda_client, rung.names.function), rung.clock, timeout=30)
    except Exception:  # noqa: BLE001 - not verified is not verified, whatever the reason
        return None
    return now if now and now.serves(version) else None


def _put_back(rung: Rung, before: Alias, moved: Alias, version: str) -> None:
    """Restore the alias to where it began, verify that, and raise how it ended."""
    problem = f"the alias was moved to version {version} but could not be verified to serve it"
    try:
        now = aliases.read(rung.lambda_client, rung.names.function) or moved
        aliases.move(rung.lambda_client, rung.names.function, before.version, revision=now.revision, clock=rung.clock)
    except Exception as error:
        raise RollbackFailedError(
            f"{problem}, and putting it back to {before.version} failed: {error_code(error) or error}",
            hint=f"look now: inv status --env {rung.environment}; then inv rollback --env {rung.environment}",
        ) from error
    if _verify(rung, before.version) is None:
        raise RollbackFailedError(
            f"{problem}, and neither could its return to {before.version}",
            hint=f"look now: inv status --env {rung.environment}; then inv rollback --env {rung.environment}",
        )
    raise RolledBackError(
        f"{problem}; it serves version {before.version} again, verified",
        hint="somebody else may be moving it; look at inv status, then run the same command again",
    )
