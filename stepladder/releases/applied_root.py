"""Apply a root under the environment's lock, and what the ledger keeps of that.

Of a service these are its outputs, and the hash of the configuration that each function has then.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

from stepladder.core.clock import stamp
from stepladder.ledger.schema import InfraRecord
from stepladder.releases import drift, environment_outputs
from stepladder.releases.interfaces import Applied, Infrastructure
from stepladder.releases.plan import SERVICE
from stepladder.releases.rung import Rung

_AT_ONCE = 8  # functions that are read at once


def apply(
    rung: Rung,
    infra: Infrastructure,
    root: str,
    image_uri: str | None,
    *,
    live: bool = False,
    images: Mapping[str, str] | None = None,
    ready: Callable[[str], None] | None = None,
) -> Applied:
    """Apply a root in a deployment and print what that did; the arguments are those of `Infrastructure.ensure`.

    `ready` waits until nothing else works on the root.
    """
    with rung.console.step(root) as step:
        if ready:
            step.progress("init")
            ready(root)
        if rung.lock.held:
            rung.lock.check()
        if images:
            applied = infra.ensure(root, image_uri, step, live=live, images=images)
        else:
            applied = infra.ensure(root, image_uri, step, live=live)
        step.done(applied.summary)
    if root == SERVICE:  # the last root that a deployment applies; a promotion applies others after it
        from stepladder.terraform import provider_process

        provider_process.let_go()
    for note in applied.notes:
        rung.console.line(f"  {note}")
    return applied


def record(rung: Rung, root: str, applied: Applied, expected: Mapping[str, str] | None = None) -> InfraRecord:
    """Record an applied root of the rung's environment, and return that. Raises `LockedError` when its lock was lost.

    `expected` are hashes by function of the configuration that an apply has just set back, or that was just read; each
    other function's is read now.
    """
    service = root == SERVICE
    hashes = config_hashes(rung, expected or {}) if service else {}
    named = {name: value for name, value in hashes.items() if name}
    infra = InfraRecord(
        input_hash=applied.inputs_hash,
        plan_id=applied.plan_id,
        applied_at=stamp(rung.clock.now()),
        url=environment_outputs.address(applied.outputs) if service else "",
        config_hash=hashes.get("", ""),
        outputs=environment_outputs.recorded(applied.outputs) if service else "",
        config_hashes=json.dumps(named, sort_keys=True) if named else "",
    )
    rung.ledger.record_infra(rung.environment if service else None, infra, rung.lock.holding)
    return infra


def config_hashes(rung: Rung, known: Mapping[str, str]) -> dict[str, str]:
    """Return by name the hash of the configuration that each function of the project has; empty where there is none."""
    unread = [name for name in rung.settings.function_names if name not in known]
    if not unread:
        return dict(known)
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="configuration") as pool:
        hashes = pool.map(lambda name: drift.now(rung.of_function(name)), unread)
        return {**known, **dict(zip(unread, hashes, strict=True))}
