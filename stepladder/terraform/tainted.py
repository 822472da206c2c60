"""Keep what a kill cut off in its creation.

Terraform taints an object whose creation it saw fail, and destroys it with the next plan, or refuses to plan at all
where the code forbids that (`prevent_destroy`). An object of a kind that may hold data or callers is kept instead: the
next plan reads it and brings it, in place, to what the code says
(https://developer.hashicorp.com/terraform/cli/commands/untaint).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from stepladder.terraform import plans
from stepladder.terraform.events import Watch
from stepladder.terraform.runner import LOCK_TIMEOUT, Runner, TerraformError

FORBIDDEN = "Instance cannot be destroyed"  # the summary of Terraform's own error about prevent_destroy
_DEADLINE = 300

Planned = tuple[bool, Watch]


def planned(runner: Runner, plan: Callable[[], Planned], *, lock: bool) -> Planned:
    """Plan; when that would destroy what was cut off, keep it and plan again. Without `lock` nothing is kept."""
    try:
        changed, watch = plan()
    except TerraformError as error:
        if not (lock and error.has(FORBIDDEN) and _keep(runner)):
            raise
        return plan()
    replaced = any(
        c.action == "replace" and c.reason == "tainted" and not plans.harmless(c.type) for c in watch.changes
    )
    return plan() if lock and replaced and _keep(runner) else (changed, watch)


def _keep(runner: Runner) -> bool:
    """Untaint what isn't harmless; say whether there was any."""
    found = addresses(json.loads(runner.stdout(["state", "pull"]) or "{}"))
    for address in found:
        runner.run(["untaint", f"-lock-timeout={LOCK_TIMEOUT}s", address], timeout=_DEADLINE)
    if found:
        runner.notes.append(f"kept what was cut off in its creation: {', '.join(found)}")
    return bool(found)


def addresses(state: dict[str, Any]) -> list[str]:
    """Return the addresses of the tainted objects of a state that may hold data or callers."""
    found = []
    for resource in state.get("resources", ()):
        if resource.get("mode") != "managed" or plans.harmless(resource["type"]):
            continue
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource.get("instances", ()):
            if instance.get("status") == "tainted":
                index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                found.append(f"{module}{resource['type']}.{resource['name']}{index}")
    return found
