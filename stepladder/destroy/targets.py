"""The functions of an environment that is to be destroyed: those of the settings, and those that the ledger knows."""

from __future__ import annotations

from dataclasses import replace

from stepladder.core.aws import error_code
from stepladder.core.names import is_preview, split_target, target_key
from stepladder.ledger import destruction
from stepladder.ledger.items import NOT_FOUND
from stepladder.releases.rung import Rung

_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def read(rung: Rung) -> list[Rung]:
    """Return a rung for each function, the environment's own first. One that the settings lost keeps its names.

    Credentials that may not scan the ledger know the functions of the settings. A preview's job never may: the record
    of a preview names its functions.
    """
    keys = {target_key(rung.environment, name) for name in rung.settings.whole.function_names} | {rung.environment}
    if is_preview(rung.environment):
        record = rung.ledger.previews().get(rung.environment)
        keys |= {target_key(rung.environment, name) for name in (record.functions.split(",") if record else ())}
        return [of_key(rung, key) for key in sorted(keys)]
    try:
        keys |= destruction.targets(rung.ledger, rung.environment)
    except Exception as error:
        if error_code(error) not in {NOT_FOUND, *_DENIED}:
            raise
    return [of_key(rung, key) for key in sorted(keys)]


def of_key(rung: Rung, key: str) -> Rung:
    """Return the rung of a target's key; the environment's own is the rung itself, with its lock."""
    _, name = split_target(key)
    whole = rung.settings.whole
    if not name:
        return rung
    if name in whole.function_names:
        return rung.of_function(name)
    return replace(rung, settings=replace(whole, name_of_function=name, view_of=whole))
