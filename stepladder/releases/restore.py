"""An alias that was deleted, or put on $LATEST, goes back onto the version that the ledger calls current.

Terraform would make a deleted one on $LATEST, and callers would get what nobody has tested.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from stepladder.aws_lambda import alias as aliases
from stepladder.aws_lambda.alias import Alias
from stepladder.core import names
from stepladder.core.aws import error_code
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.core.release_facts import LATEST
from stepladder.ledger.environment_items import Current
from stepladder.ledger.snapshot import Snapshot
from stepladder.releases.plan import EnvironmentState
from stepladder.releases.rung import Rung

_AT_ONCE = 8  # functions that are read
DELETED = "its alias was deleted, and what calls it by the alias with it"


def target(rung: Rung, state: EnvironmentState) -> str:
    """Return the version that the alias has to be restored to; empty when it is where a release put it, or nowhere."""
    current = state.ledger.current
    if current is None or (state.alias and state.alias.version != LATEST):
        return ""
    return current.version if rung.released_version(current) else ""


def check_alias(rung: Rung) -> None:
    """Refuse what would make a deleted alias on $LATEST."""
    if rung.alias() is not None:
        return
    ledger = rung.ledger.snapshot(rung.target)
    version = target(rung, EnvironmentState(None, ledger))
    if version:
        raise RefusedError(
            f"alias {names.ALIAS} of {rung.names.function} was deleted, and Terraform would make it on $LATEST, "
            "which nobody has tested",
            kind="alias-missing",
            hint=f"return it to version {version} and apply: `inv deploy {rung.flags}`",
        )


def check_aliases(rung: Rung) -> None:
    """Refuse what would make a deleted alias of any function of the environment on $LATEST."""
    rungs = [rung.of_function(name) for name in rung.settings.function_names]
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="alias") as pool:
        list(pool.map(check_alias, rungs))


def nothing_live(rung: Rung) -> RefusedError:
    """Return the refusal for an environment whose alias isn't there: what happened, and the command that restores it.

    Raises `RefusedError` for credentials of another account, which would not see the alias.
    """
    return deleted(rung) or RefusedError(
        f"nothing is live on {rung.target}",
        kind="nothing-live",
        hint=f"`inv deploy {rung.flags}` makes it",
    )


def deleted(rung: Rung) -> RefusedError | None:
    """Return the refusal for an alias that was released and is gone; None where the ledger knows of no release."""
    rung.check_caller()
    current = _current(rung)
    if current is None:
        return None
    restored = f"`inv deploy {rung.flags}`"
    if rung.released_version(current):
        return RefusedError(
            f"nothing is live on {rung.target}: alias {names.ALIAS} of {rung.names.function} was deleted; "
            f"it served version {current.version}",
            kind="alias-missing",
            hint=f"return it to version {current.version}: {restored}",
        )
    gone = f"version {current.version}, which it served, is gone" if rung.function.read() else "it was deleted"
    return RefusedError(
        f"nothing is live on {rung.target}: {rung.names.function} was released ({current.release_id}), and {gone}",
        kind="nothing-live",
        hint=f"make it again and release to it: {restored}",
    )


def _current(rung: Rung) -> Current | None:
    """Return what the ledger calls current; None when it can't be read, which must not hide that nothing is live."""
    try:
        return rung.ledger.snapshot(rung.target).current
    except Exception as error:
        if not error_code(error):
            raise
        return None


def planned(state: EnvironmentState, version: str) -> EnvironmentState:
    """Return the world as it will be once the alias is back."""
    return replace(state, alias=Alias(version, "", state.alias.arn if state.alias else ""))


def put_back(rung: Rung, ledger: Snapshot, version: str) -> Alias:
    """Put the alias on a version and return it as it is then; the rung's lock is held.

    What hung on a deleted one (its URL, its permissions) is the service's: should this run be killed before it applies
    that, the next one finds in the ledger that it has to.
    """
    with rung.console.step("alias") as step:
        rung.lock.check()
        alias = rung.alias()
        if alias and alias.version != LATEST:
            step.skip(f"somebody put it on version {alias.version}")
            return alias
        version = _startable(rung, version)
        if alias is None:
            infra = rung.ledger.snapshot(rung.environment).infra if ledger.infra else None
            if infra:
                rung.ledger.record_infra(rung.environment, replace(infra, input_hash=""), rung.lock.holding)
            made = aliases.create(rung.lambda_client, rung.names.function, version)
            step.done(f"{names.ALIAS} was deleted; made again on version {version}")
        else:
            made = aliases.move(
                rung.lambda_client, rung.names.function, version, revision=alias.revision, clock=rung.clock
            )
            step.done(f"{names.ALIAS} was on $LATEST; returned to version {version}")
        return made


def _startable(rung: Rung, version: str) -> str:
    """Return the version, or one of what callers get now when it can't be started any more (its image is gone)."""
    try:
        rung.function.wait_active(version)
    except StepladderError:
        latest = rung.function.wait_settled()
        return rung.function.publish(
            code_sha256=latest.code_sha256, revision=latest.revision, description="what $LATEST served"
        ).version
    return version
