"""Which images a project can't do without, those of promotions under way too.

A promotion may wait for an approval for days. Meanwhile nothing serves its image, and newer releases of the lowest rung
may push it out of those that are kept.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stepladder.core.aws import known_error
from stepladder.promotion.executions import StateMachine
from stepladder.releases import retention
from stepladder.releases.rung import Rung
from stepladder.settings import locations

PROMOTING = "promoting"


def needed(
    rung: Rung, keep: int, by_function: Mapping[str, int] | None = None, *, without: str = ""
) -> Mapping[str, str]:
    """Return why each digest must stay, as `retention.images` with `promoting` besides."""
    under_way = dict.fromkeys(_under_way(rung), PROMOTING)
    return {**under_way, **retention.images(rung, keep, by_function, without=without)}


def _under_way(rung: Rung) -> set[str]:
    """Return what promotions under way release.

    They run in the primary location. Who works in another one may not be able to read there: what a promotion brings to
    a registry is new in it, and stays for its age.
    """
    settings = rung.settings.whole
    is_primary = locations.of(settings, rung.environment) == locations.primary(settings)
    try:
        return set(_digests(StateMachine(rung.sibling(settings.lowest))))
    except Exception as error:
        if is_primary or known_error(error) is None:
            raise
        return set()


def _digests(machine: StateMachine) -> Iterator[str]:
    for listed in machine.executions("RUNNING", may_be_missing=True):
        execution = machine.describe(listed["executionArn"])
        if execution:
            yield execution.input.get("digest", "")
            for target in execution.targets:
                yield target.get("release", {}).get("digest", "")
