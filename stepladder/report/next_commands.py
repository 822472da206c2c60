"""The command to type after each kind of failure. Pure."""

from __future__ import annotations

from stepladder.core.names import flags_of, split_target
from stepladder.ledger import schema
from stepladder.ledger.schema import Holder
from stepladder.report.story import RUNNING, Story, TargetStory

_WHOLE = (["deploy"], ["destroy"], ["preview.destroy"], ["rollback"], ["tf.apply"])
"""Tasks whose command in a lock is all that was typed, or all that is needed again."""
_ROOTS = frozenset({"foundation", "service", "delivery"})


def of_story(story: Story, first: str) -> str:
    """Return what to type next: what is urgent, else the `first` cause's command."""
    if story.end == RUNNING:
        return f"inv promote.watch --name {story.name}"
    stuck = [target.key for target in story.targets if target.result == schema.ROLLBACK_FAILED]
    return f"inv rollback {flags_of(stuck[0])}" if stuck else first


def again(story: Story) -> str:
    """Return the command that promotes again; empty for what is no promotion."""
    return "inv promote" if story.kind == schema.PROMOTE else ""


def again_of(holder: Holder, key: str) -> str:
    """Return the command that goes on where one was cut off: the same, as `inv deploy` is refused above the lowest."""
    words = holder.command.split()
    if words[:2] == ["inv", "promote"]:
        return "inv promote"  # which takes no environment
    return holder.command if words[:1] == ["inv"] and words[1:2] in _WHOLE else f"inv status {flags_of(key)}"


def smoke(target: TargetStory) -> str:
    """Return the command that runs the smoke cases on a target's version."""
    flags = flags_of(target.key)
    return f"inv smoke {flags} --version {target.version}" if target.version else f"inv smoke {flags}"


def logs(target: TargetStory) -> str:
    """Return the command that shows the errors in a target's log."""
    flags = flags_of(target.key)
    if not target.logs_since:
        return f"inv logs {flags} --errors"
    return f"inv logs {flags} --errors --since {target.logs_since}"


def plan(target: TargetStory) -> str:
    """Return the command that plans the root whose apply failed."""
    environment = split_target(target.key)[0]
    step = target.entry.failed_step.split()[-1] if target.entry and target.entry.failed_step else ""
    return f"inv tf.plan --env {environment} --root {step}" if step in _ROOTS else f"inv tf.plan --env {environment}"


def of_target(story: Story, target: TargetStory, kind: str) -> str:
    """Return the command that goes on after a cause of a kind."""
    environment = split_target(target.key)[0]
    same = {
        schema.PROMOTE: "inv promote",
        schema.ROLLBACK: f"inv rollback {flags_of(target.key)}",
        schema.APPLY: plan(target),
        "deploy": f"inv deploy --env {environment}{_past_the_ladder(target)}",
    }.get(story.kind, f"inv status --env {environment}")
    known = {
        "approval": "inv promote",
        "aws-denied": "inv explain aws-denied",
        "function-failed": logs(target),
        "interrupted": same,
        "lambda-refused": "inv explain lambda-refused",
        "locked": f"inv unlock --env {environment}",
        "marked-bad": f"inv ledger --env {environment}",
        "smoke-failed": smoke(target),
        "terraform-failed": plan(target),
    }
    return known.get(kind, same)


def _past_the_ladder(target: TargetStory) -> str:
    """Return the flags without which a rung above the lowest refuses a deploy, where they were given before."""
    return ' --skip-ladder --why "..."' if target.entry and target.entry.skipped_ladder else ""
