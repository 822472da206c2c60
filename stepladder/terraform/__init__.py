"""Run Terraform: find it and its providers, write a root's inputs, save plans with manifests, apply exactly those."""

from stepladder.terraform.actions import Outcome, apply, ensure, init, outputs, plan, unlock
from stepladder.terraform.local import RunRecord
from stepladder.terraform.plans import SavedPlan
from stepladder.terraform.roots import inputs_hash

__all__ = [
    "Outcome",
    "RunRecord",
    "SavedPlan",
    "apply",
    "ensure",
    "init",
    "inputs_hash",
    "outputs",
    "plan",
    "unlock",
]
