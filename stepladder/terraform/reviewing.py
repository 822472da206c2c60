"""Keep a plan for its review; after the merge, let a new plan be applied only when all it does was reviewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stepladder.core import git
from stepladder.core.aws import Aws, error_code
from stepladder.core.ci import in_ci
from stepladder.core.errors import RefusedError
from stepladder.forge import registered
from stepladder.terraform import kept, kept_store, planning
from stepladder.terraform.allowed import AUTO, NEW, REVIEWED
from stepladder.terraform.kept import KeptPlan, PlanDifference
from stepladder.terraform.roots import Root
from stepladder.terraform.runner import Runner
from stepladder.terraform.saved_plan import SavedPlan


@dataclass(frozen=True)
class Review:
    """What may be applied, and the command that applies a new plan as it is, for hints; empty for `inv tf.apply`.

    Several commands stand in backticks, each in its own.
    """

    wanted: str = NEW
    anew: str = ""

    @property
    def is_needless(self) -> bool:
        """Whether a plan need not be compared with what was reviewed."""
        return self.wanted == NEW or (self.wanted == AUTO and not in_ci())


WHATEVER = Review()
"""Apply what is planned now, whether anybody reviewed it or not."""


def keep(saved: SavedPlan, document: Mapping[str, Any], aws: Aws) -> str:
    """Keep the plan that was just saved for its review; return its address. `document` is `planning.document`'s."""
    described = _with_actions(_described(saved.at, saved), saved, document)
    return kept_store.put(aws, saved.at, described, saved.at.plan_file)


def check(runner: Runner, saved: SavedPlan, aws: Aws, wanted: Review) -> None:
    """Let a plan that was just made pass when each of its actions was reviewed, and say so in the runner's notes.

    Raises `RefusedError` with each action that nobody reviewed, and `TamperedError`. Without a review only `reviewed`
    refuses.
    """
    if not saved.changed or wanted.is_needless:
        return
    at = runner.at
    anew = wanted.anew or f"inv tf.apply --env {at.environment.name} --root {at.name}"
    anew = anew if "`" in anew else f"`{anew}`"
    now = _described(at, saved)
    review, why = _review_of(aws, at, now, anew)
    if review is None and wanted.wanted == REVIEWED:
        raise RefusedError(
            f"no plan of {at.label} was reviewed for these files{why}",
            kind="plan-not-reviewed",
            hint=f"read the plan that was made now, then apply it: {anew}",
        )
    if review is None:
        runner.notes.append(f"no plan of {at.label} was reviewed for these files{why}; it is planned now")
        return
    now = _with_actions(now, saved, planning.shown(runner, saved.at.plan_file))
    reasons = kept.reasons(review, now)
    difference = kept.compare(review, now)
    if difference.unreviewed or kept.is_foreign(review, now):
        raise _refused(at, review, reasons, difference, anew)
    runner.notes += _notes(review, reasons, difference)


def _refused(
    at: Root, review: KeptPlan, reasons: tuple[str, ...], difference: PlanDifference, anew: str
) -> RefusedError:
    why = f"; it no longer holds: {'; '.join(reasons)}" if reasons else "; the state has changed since"
    gone = tuple(f"reviewed, and not planned any more: {each}" for each in difference.gone)
    return RefusedError(
        f"{at.label} would be changed in ways that the {review} does not show{why}",
        kind="plan-not-reviewed",
        hint=f"this is a new plan; if it is good as it is: {anew}",
        problems=(*(f"not reviewed: {each}" for each in difference.unreviewed), *gone),
    )


def _notes(review: KeptPlan, reasons: tuple[str, ...], difference: PlanDifference) -> list[str]:
    notes = [f"every action was reviewed: {review}"]
    if reasons:
        notes = [
            f"the {review} no longer holds ({'; '.join(reasons)}), so it was planned anew; every action was reviewed"
        ]
    if difference.gone:
        notes.append(f"reviewed, and done or needless by now: {', '.join(difference.gone)}")
    if difference.resumed:
        notes.append(f"goes on where a run was cut off: {', '.join(difference.resumed)}")
    return notes


def _review_of(aws: Aws, at: Root, now: KeptPlan, anew: str) -> tuple[KeptPlan | None, str]:
    """Return the reviewed plan, or why none could be read."""
    try:
        return kept_store.find(aws, at, now, _commit(at.settings.root)[1]), ""
    except kept_store.TamperedError as error:
        error.hint = f"find out who wrote it; if the plan that was made now is good as it is: {anew}"
        raise
    except Exception as error:
        if not kept_store.is_denied(error):
            raise
        return None, f" that these credentials may read ({error_code(error)} in {at.names.artifacts_bucket})"


def _described(at: Root, saved: SavedPlan) -> KeptPlan:
    forge = registered.current()
    return kept.keep(
        at,
        saved.inputs,
        (),
        plan_sha256=saved.plan_sha256,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        commits=_commit(at.settings.root)[0],
        change=forge.change_request(),
        job=forge.job_url(),
    )


def _with_actions(described: KeptPlan, saved: SavedPlan, document: Mapping[str, Any]) -> KeptPlan:
    return replace(described, actions=kept.actions_of(saved.changes, document))


def _commit(root: Path) -> tuple[tuple[str, ...], str]:
    """Return the commit and those that it merged, and its message; nothing without git.

    A change request's job checks out its head, or a merge of it that the forge made and nobody keeps. The first parent
    of a merge is what it was merged into, which every change shares. A shallow clone knows its parents' names too.
    """
    sha = (git.ask(root, "rev-parse", "HEAD") or "").strip()
    head, _, message = (git.ask(root, "cat-file", "-p", "HEAD") or "").partition("\n\n")
    parents = [line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent ")]
    return tuple(filter(None, (sha, *parents[1:]))), message
