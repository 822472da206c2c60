"""`inv secrets.*`: give a secret its value, replace it, and list what is set. No value is read back or printed."""

from __future__ import annotations

from typing import TypedDict

from stepladder.core.clock import ago
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.similar import did_you_mean
from stepladder.core.tables import Cell, Column
from stepladder.releases import secret_check
from stepladder.releases.rung import Rung
from stepladder.secrets import store as stores
from stepladder.secrets import value as values
from stepladder.secrets.environment import EnvironmentSecrets
from stepladder.secrets.parameters import ADVANCED, STANDARD_LARGEST
from stepladder.secrets.store import DELETED, MISSING, SET, SecretState, SecretWrite
from stepladder.settings.functions import MAIN, key
from stepladder.settings.secrets import SSM, TITLES, Secret, key_of

_COLOURS = {SET: "green", MISSING: "red", DELETED: "red"}
_SHORT = 8  # digits of a version's id


class SecretRecord(TypedDict):
    """A secret for `--json`. `set` is None where stepladder can't know."""

    name: str
    reference: str
    store: str
    state: str
    set: bool | None
    version: str
    changed: str


class WrittenRecord(TypedDict):
    """A value that was set, for `--json`; without the value. `previous_version` is empty for a first one."""

    name: str
    environment: str
    reference: str
    store: str
    version: str
    previous_version: str


def show(rung: Rung) -> list[SecretRecord]:
    """Print the secrets of an environment: where each is, whether it is set, when and which version. Never a value."""
    own = secret_check.of(rung)
    rung.check_caller()
    states = own.read()
    records = [_record(state) for state in states]
    if rung.console.as_json:
        rung.console.json(records)
        return records
    if not states:
        rung.console.line(f"{rung.target} has no secrets; they are declared under `{_key(rung)}`")
        return records
    head = ("name", Column("where", spare=2), "value", Column("version", spare=1), "changed")
    rung.console.table(head, [_row(state, rung.clock.now()) for state in states])
    _warn_of_keys(rung, states)
    return records


def set_value(rung: Rung, name: str, *, rotate: bool = False) -> WrittenRecord:
    """Give a secret the value that standard input or a prompt has. To `rotate` needs one that is set.

    Raises `BadInputError` (an unknown name, no value, one that the store doesn't take) and `RefusedError` (another
    account, another project's secret, nothing to rotate).
    """
    own = secret_check.of(rung)
    secret = _named(rung, own, name)
    rung.check_caller()
    (state,) = own.read([secret])
    store = own.store(secret.store)
    _check(rung, state, store, rotate=rotate)
    value = values.read(name, rung.target, store.largest, rung.console)
    write = SecretWrite(state, value, key_of(rung.settings, rung.environment), own.tags)
    store.check(write)
    with stores.hidden(value, name):
        version = store.write(write)
    _say(rung, write, version)
    return {
        "name": name,
        "environment": rung.target,
        "reference": secret.reference,
        "store": secret.store,
        "version": version,
        "previous_version": state.version,
    }


def _named(rung: Rung, own: EnvironmentSecrets, name: str) -> Secret:
    known = {secret.name: secret for secret in own.secrets}
    if name in known:
        return known[name]
    listed = f"its secrets: {', '.join(known)}" if known else "it has none"
    if not name:
        raise BadInputError(
            f"a secret has to be named; {rung.target} has in its settings: {', '.join(known) or 'none'}",
            kind="bad-arguments",
            hint=f"for example `inv secrets.set {next(iter(known), 'API_KEY')} {rung.flags}`",
        )
    meant = did_you_mean(name, known)
    declare = f"declare it in `invoke.yaml`, under `{_key(rung)}`, for example as {name}: ssm"
    raise BadInputError(
        f"{rung.target} has no secret {name!r} in its settings; {listed}",
        kind="unknown-secret",
        hint=_of_another(rung, name) or meant or declare,
    )


def _of_another(rung: Rung, name: str) -> str:
    """Return the hint that names a function which has the secret that this one lacks; empty when none has it."""
    names = rung.settings.function_names
    views = {each: rung.settings.of_function(each).environment(rung.environment).function for each in names}
    other = next((each or MAIN for each, function in views.items() if name in function.secrets), "")
    return f"it is a secret of another function: add `--function {other}`" if other else ""


def _key(rung: Rung) -> str:
    """Return the setting that declares the function's secrets."""
    return key(rung.settings.name_of_function, "function.secrets")


def _check(rung: Rung, state: SecretState, store: stores.SecretStore, *, rotate: bool) -> None:
    """Refuse what needs no value to be refused, so that nobody types one for nothing."""
    secret, where = state.secret, rung.flags
    if state.state in {stores.REMOTE, stores.TERRAFORM}:
        made = "Terraform makes it" if secret.of_terraform else "it is another account's or region's"
        raise stores.refused(
            f"{secret.name} of {rung.target} isn't set by stepladder: {made}",
            f"set it where it belongs: {secret.reference}",
        )
    if rotate and not state.has_value:
        raise RefusedError(
            f"{secret.name} of {rung.target} has no value yet, so there is nothing to rotate",
            kind="secret-missing",
            hint=f"set it: `inv secrets.set {secret.name} {where}`",
        )
    stores.check_owner(secret, store.owner(state) if state.exists else "", rung.settings.project)


def _say(rung: Rung, write: SecretWrite, version: str) -> None:
    """Say what was written, and when running functions notice."""
    secret, before, console = write.secret, write.state, rung.console
    shown = _short(version)
    if not before.has_value:
        console.line(f"{rung.target}: {secret.name} is set, version {shown} of {secret.reference}")
    else:
        kept = "in its history" if secret.store == SSM else "as AWSPREVIOUS"
        console.line(
            f"{rung.target}: {secret.name} has a new value, version {shown} of {secret.reference}; "
            f"{TITLES[secret.store]} keeps version {_short(before.version)} {kept}"
        )
        console.line(
            "  running functions read it when they next ask; those that cache it keep the old value until their cache "
            "runs out, and nothing is released"
        )
        _warn_of_release(rung)
    if secret.store == SSM and before.tier != ADVANCED and len(write.value.data) > STANDARD_LARGEST:
        console.warn(f"over {STANDARD_LARGEST} bytes it is an advanced parameter, which AWS charges for")
    _warn_of_keys(rung, [before] if before.exists and not write.key else [])


def _warn_of_release(rung: Rung) -> None:
    """Say what a new value means for a release that is under way. What can't be read fails nothing."""
    try:
        holder = rung.ledger.snapshot(rung.target).lock
    except Exception:  # noqa: BLE001 - see above
        return
    if holder and not rung.lock.is_over(holder):
        rung.console.warn(
            f"a release is under way on {rung.target} ({holder.owner}: {holder.command}): the old and the new "
            "version read the new value, and a rollback doesn't bring the old one back"
        )


def _warn_of_keys(rung: Rung, states: list[SecretState]) -> None:
    own = key_of(rung.settings, rung.environment)
    setting = key(rung.settings.name_of_function, "function.secrets_key")
    for state in states:
        if state.is_beyond(own):
            rung.console.warn(
                f"{state.secret.name} is encrypted with {state.key}, and `{setting}` doesn't name that key: "
                "the function can't decrypt it"
            )


def _record(state: SecretState) -> SecretRecord:
    known = state.state not in {stores.REMOTE, stores.TERRAFORM}
    return {
        "name": state.secret.name,
        "reference": state.secret.reference,
        "store": state.secret.store,
        "state": state.state,
        "set": state.has_value if known else None,
        "version": state.version,
        "changed": state.changed,
    }


def _row(state: SecretState, now: float) -> tuple[Cell | str, ...]:
    plain = ", not encrypted" if state.is_plain else ""
    return (
        state.secret.name,
        state.secret.reference,
        Cell(f"{state.state}{plain}", _COLOURS.get(state.state, "")),
        _short(state.version) or "-",
        ago(state.changed, now) if state.changed else "-",
    )


def _short(version: str) -> str:
    return version if version.isdigit() else version[:_SHORT]
