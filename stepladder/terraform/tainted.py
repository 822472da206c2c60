"""Keep what a run of ours, killed or failed, was cut off in creating.

Terraform taints an object whose creation it saw fail, and destroys it with the next plan, or refuses to plan at all
where the code forbids that (`prevent_destroy`). An object of a kind that may hold data or callers is kept instead: the
next plan reads it and brings it, in place, to what the code says
(https://developer.hashicorp.com/terraform/cli/commands/untaint).

`terraform taint` leaves the same mark. So each apply notes what it is to create, and crosses it out as it is done:
only what stands in the note of an apply that never ended well is kept, all else is as somebody meant it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from stepladder.core.errors import RefusedError
from stepladder.terraform import files, losses
from stepladder.terraform.events import ResourceChange, Watch
from stepladder.terraform.failures import TerraformError
from stepladder.terraform.roots import Root
from stepladder.terraform.runner import LOCK_TIMEOUT, Runner

FORBIDDEN = "Instance cannot be destroyed"  # the summary of Terraform's own error about prevent_destroy
_DEADLINE = 300

Planned = tuple[bool, Watch]


def begin(at: Root, changes: Iterable[ResourceChange]) -> None:
    """Note what an apply is about to create."""
    _note(at, (change.address for change in changes if change.action in {"create", "replace"}))


def end(at: Root, failed: frozenset[str] = frozenset()) -> None:
    """Keep of the note what the apply failed on."""
    _note(at, left(at) & failed)


def left(at: Root) -> frozenset[str]:
    """Return the addresses that the last apply was to create and didn't, as far as we know."""
    return frozenset(map(str, files.read_json(_file(at)).get("creating", ())))


def planned(runner: Runner, plan: Callable[[], Planned], *, acting: bool) -> Planned:
    """Plan; when that would destroy what we were cut off in creating, keep it and plan again.

    Unless `acting` it is only printed, or `RefusedError` where Terraform can't plan before it is kept.
    """
    try:
        changed, watch = plan()
    except TerraformError as error:
        if not error.has(FORBIDDEN):
            raise
        cut_off = _cut_off(runner)
        if not cut_off:
            raise
        if not acting:
            raise RefusedError(
                f"{runner.at.label} can't be planned while this is cut off in its creation: {', '.join(cut_off)}",
                kind="cut-off-creation",
                hint=f"`{runner.at.command}` keeps it and goes on",
            ) from error
        _keep(runner, cut_off)
        return plan()
    if not any(c.action == "replace" and c.reason == "tainted" and losses.kept(c.type) for c in watch.changes):
        return changed, watch
    cut_off = _cut_off(runner)
    if not cut_off:
        return changed, watch
    if not acting:
        runner.notes.append(f"cut off in its creation, and kept by `{runner.at.command}`: {', '.join(cut_off)}")
        return changed, watch
    _keep(runner, cut_off)
    return plan()


def _cut_off(runner: Runner) -> list[str]:
    """Return the tainted objects that may hold data or callers and that an apply of ours was cut off in creating."""
    noted = left(runner.at)
    if not noted:
        return []
    return [address for address in addresses(runner.document(["state", "pull"])) if address in noted]


def _keep(runner: Runner, cut_off: list[str]) -> None:
    for address in cut_off:
        runner.run(["untaint", f"-lock-timeout={LOCK_TIMEOUT}s", address], timeout=_DEADLINE)
    runner.notes.append(f"kept what was cut off in its creation: {', '.join(cut_off)}")


def addresses(state: dict[str, Any]) -> list[str]:
    """Return the addresses of the tainted objects of a state that may hold data or callers."""
    tainted = []
    for resource in state.get("resources", ()):
        if resource.get("mode") != "managed" or not losses.kept(resource["type"]):
            continue
        module = f"{resource['module']}." if resource.get("module") else ""
        for instance in resource.get("instances", ()):
            if instance.get("status") == "tainted":
                index = f"[{json.dumps(instance['index_key'])}]" if "index_key" in instance else ""
                tainted.append(f"{module}{resource['type']}.{resource['name']}{index}")
    return tainted


def _note(at: Root, creating: Iterable[str]) -> None:
    names = sorted(creating)
    if names:
        files.write_json(_file(at), {"creating": names}, mode=0o600)
    else:
        _file(at).unlink(missing_ok=True)


def _file(at: Root) -> Path:
    return at.work_dir / "creating.json"
