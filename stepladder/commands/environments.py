"""The environments that a command is about when none is named: those of the settings, and the previews that exist."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from stepladder.core.aws import known_error
from stepladder.core.errors import StepladderError
from stepladder.ledger.schema import Preview
from stepladder.releases import rung as rungs
from stepladder.releases.rung import Rung
from stepladder.settings import locations
from stepladder.settings.load import from_context


def opened(context: Any, verb: str, environment: str = "", *, as_json: bool = False) -> list[Rung]:
    """Return the environment that was named, or every one of the ladder, every other one, and every preview."""
    settings = from_context(context)
    ladder = settings.ladder_environments
    names = [environment] if environment else [*ladder, *(name for name in settings.environments if name not in ladder)]
    named = [rungs.opened(context, name, verb, as_json=as_json) for name in names]
    if environment:
        return named
    return with_previews(named)


def with_previews(known: Sequence[Rung]) -> list[Rung]:
    """Return rungs, and behind them the previews that exist."""
    every = list(known)
    for name in previews(known):
        try:
            every.append(known[0].sibling(name))
        except StepladderError as error:  # the settings have none any more
            known[0].console.warn(f"the ledger knows of {name}: {error.message}")
    return every


def previews(known: Sequence[Rung]) -> dict[str, Preview]:
    """Return the previews that exist, by environment, from the ledger of each account and region.

    One that can't be read has none: who reads its environments says what is wrong.
    """
    settings = known[0].settings
    ledgers = {locations.of(settings, rung.environment): rung for rung in reversed(known)}
    with ThreadPoolExecutor(max(1, len(ledgers)), thread_name_prefix="previews") as pool:
        listed = list(pool.map(_previews, ledgers.values()))
    merged = {name: preview for each in listed for name, preview in each.items()}
    return dict(sorted(merged.items(), key=lambda each: (len(each[0]), each[0])))


def _previews(rung: Rung) -> dict[str, Preview]:
    try:
        return rung.ledger.previews()
    except Exception as error:
        if known_error(error) is None:
            raise
        return {}
