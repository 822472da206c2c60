"""`inv tf.upgrade`: the newest providers that the roots allow, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from stepladder.core.console import Console
from stepladder.core.tables import Cell
from stepladder.settings.load import Settings
from stepladder.terraform import upgrade

HEAD = ("root", "provider", "before", "after")


def upgrade_providers(settings: Settings, console: Console, names: Sequence[str]) -> None:
    """Upgrade the providers of some roots, or of all; print each with its versions. Raises as `upgrade.upgrade`."""
    with console.step("providers") as step:
        upgraded = upgrade.upgrade(settings, names, step)
        changed = [each for each in upgraded if each.is_change]
        step.done(f"{len(changed)} of {len(upgraded)} changed" if changed else "the newest that the roots allow")
    if console.as_json:
        console.json({"providers": [asdict(each) for each in upgraded]})
        return
    console.table(
        HEAD,
        [
            (u.root, u.provider, u.before or "-", Cell(u.after or "-", "green") if u.is_change else u.after)
            for u in upgraded
        ],
    )
    if changed:
        plan = f"`inv tf.plan --env {settings.lowest}`"
        console.hint(f"commit the lock files: `git add terraform`; then read a plan: {plan}")
