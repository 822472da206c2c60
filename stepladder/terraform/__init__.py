"""Run Terraform: find it and its providers, write a root's inputs, save plans with manifests, apply exactly those.

The functions are loaded at first use: a deploy with nothing to do only needs `roots.inputs_hash`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stepladder.terraform.actions import (
        ApplyOutcome,
        apply,
        ensure,
        init,
        outputs,
        plan,
        plan_to_apply,
        unlock,
    )
    from stepladder.terraform.file_lock import RunRecord
    from stepladder.terraform.previews import changes, preview, reviewed
    from stepladder.terraform.roots import inputs_hash
    from stepladder.terraform.saved_plan import SavedPlan

__all__ = [
    "ApplyOutcome",
    "RunRecord",
    "SavedPlan",
    "apply",
    "changes",
    "ensure",
    "init",
    "inputs_hash",
    "outputs",
    "plan",
    "plan_to_apply",
    "preview",
    "reviewed",
    "unlock",
]

_HOMES = {
    "RunRecord": "file_lock",
    "SavedPlan": "saved_plan",
    "changes": "previews",
    "inputs_hash": "roots",
    "preview": "previews",
    "reviewed": "previews",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'actions')}"), name)
