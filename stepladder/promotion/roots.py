"""A project's Terraform roots, behind an interface that tests replace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from stepladder.core.step import Step
from stepladder.releases.interfaces import Applied
from stepladder.releases.rung import Rung

if TYPE_CHECKING:
    from stepladder.terraform.reviewing import Review


@dataclass(frozen=True)
class RootPlan:
    """A plan that was saved. `destroyed` names what it would destroy that holds data or callers."""

    summary: str
    destroyed: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class Roots(Protocol):
    """Plans and applies a Terraform root of a rung."""

    def inputs_hash(self, rung: Rung, root: str) -> str:
        """Hash everything that decides a root's result, offline."""
        ...

    def init(self, rung: Rung, root: str) -> tuple[str, ...]:
        """Install a root's providers; return notes for the person."""
        ...

    def plan(
        self, rung: Rung, root: str, image_uri: str | None, step: Step, *, images: Mapping[str, str] | None = None
    ) -> RootPlan:
        """Plan a root and save the plan."""
        ...

    def preview(
        self, rung: Rung, root: str, image_uri: str | None, step: Step, *, images: Mapping[str, str] | None = None
    ) -> str:
        """Plan a root, change nothing, and say what an apply would do."""
        ...

    def apply(self, rung: Rung, root: str, step: Step) -> Applied:
        """Apply the saved plan and nothing else."""
        ...

    def ensure(
        self, rung: Rung, root: str, image_uri: str | None, step: Step, *, images: Mapping[str, str] | None = None
    ) -> Applied:
        """Plan a root and apply exactly that plan, in one go."""
        ...


class ProjectRoots:
    """The roots of the project. `stepladder.terraform` is imported only when a root is planned or applied."""

    def inputs_hash(self, rung: Rung, root: str) -> str:
        """Hash everything that decides a root's result, offline; refuse settings that can't reach Terraform."""
        from stepladder.terraform.references import checked_hash

        return checked_hash(rung.settings, rung.environment, root)

    def init(self, rung: Rung, root: str) -> tuple[str, ...]:
        """Install a root's providers; return notes for the person."""
        from stepladder import terraform

        return terraform.init(rung.settings, rung.environment, root, aws=rung.aws)

    def plan(
        self, rung: Rung, root: str, image_uri: str | None, step: Step, *, images: Mapping[str, str] | None = None
    ) -> RootPlan:
        """Plan a root and save the plan."""
        from stepladder import terraform

        wanted = review(rung, root)
        more = {"image_uri": image_uri, **_given(images)}
        saved, notes = terraform.plan_to_apply(
            rung.settings, rung.environment, root, aws=rung.aws, step=step, review=wanted, **more
        )
        lost = tuple(f"{change.address} ({change.action})" for change in saved.destroyed)
        return RootPlan(str(saved.counts) if saved.changed else "no changes", lost, notes)

    def preview(
        self, rung: Rung, root: str, image_uri: str | None, step: Step, *, images: Mapping[str, str] | None = None
    ) -> str:
        """Plan a root, change nothing, and say what an apply would do."""
        from stepladder.releases.adapters import ProjectInfra

        return ProjectInfra(rung).preview(root, image_uri, step, **_given(images))

    def apply(self, rung: Rung, root: str, step: Step) -> Applied:
        """Apply the saved plan and nothing else."""
        from stepladder import terraform

        done = terraform.apply(rung.settings, rung.environment, root, aws=rung.aws, step=step)
        summary = str(done.counts) if done.applied else "no changes"
        return Applied(done.plan_id, summary, done.outputs, done.notes, done.inputs_hash)

    def ensure(
        self, rung: Rung, root: str, image_uri: str | None, step: Step, *, images: Mapping[str, str] | None = None
    ) -> Applied:
        """Plan a root and apply exactly that plan, in one go."""
        from stepladder.releases.adapters import ProjectInfra

        return ProjectInfra(rung).ensure(root, image_uri, step, **_given(images))


def _given(images: Mapping[str, str] | None) -> dict[str, Any]:
    return {"images": images} if images else {}


def review(rung: Rung, root: str) -> Review:
    """Return what a promotion may apply: in CI what was reviewed. Anything else is planned anew, by a person.

    The plan that a job saved is gone with its runner.
    """
    from stepladder.terraform.allowed import AUTO
    from stepladder.terraform.reviewing import Review

    where = f"--env {rung.environment} --root {root}"
    return Review(AUTO, f"`inv tf.plan {where}`, then `inv tf.apply {where}`")
