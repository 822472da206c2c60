"""Every item of the ledger: its key, its attributes, their types, and who writes them.

This is the one definition, with the items of `environment_items.py`, which every command reads. stepladder and the
pipeline's functions, whose packages carry both files, build items from it; a test compares the items of the state
machine's definition with it, key by key. Beside those it imports the standard library only.
docs/reference/ledger.md has the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from stepladder.ledger.environment_items import (
    COMMANDS,
    CURRENT,
    EVERYBODY,
    FUNCTIONS,
    LOCK,
    PROMOTION,
    ROOT,
    SERVICE,
    Current,
    Holder,
    InfraRecord,
    Item,
    ItemKind,
    attribute,
    item,
    key,
    record,
    write,
)

__all__ = [
    "COMMANDS",
    "CURRENT",
    "EVERYBODY",
    "FUNCTIONS",
    "LOCK",
    "PROMOTION",
    "ROOT",
    "SERVICE",
    "Current",
    "Holder",
    "InfraRecord",
    "Item",
    "ItemKind",
    "attribute",
    "item",
    "key",
    "record",
    "write",
]  # what this module has of `environment_items.py`

SUCCEEDED, FAILED, ROLLED_BACK, ROLLBACK_FAILED = "succeeded", "failed", "rolled_back", "rollback_failed"
UNKNOWN = "unknown"
"""The result of a release that is known only from its version's description, which says nothing of how it ended."""
ROLLBACK, PROMOTE = "rollback", "promote"  # a release's kind; the other is deploy
APPLY = "apply"
"""The kind of an entry of `inv tf.apply`: there is one only when it failed."""
SINCE_FAILURES = ("error_kind", "failed_step", "detail")
"""Attributes that only a failed release has, which older releases of stepladder don't know."""
RELEASE_PREFIX = "release#"
BEGUN, DONE, AGAIN = "begun", "done", "again"
"""Outcomes of a release command besides succeeded and failed: sent, and, by a person, done or to be run again."""
CLOCK_SKEW = 30  # seconds by which two machines' clocks may differ before a lease is believed to have run out
PIPELINE_HOST = "Step Functions"
"""The `host` of a lock that a promotion holds."""


@dataclass(frozen=True)
class ReleaseEntry:
    """One release of one rung, written once. Times are ISO 8601, UTC."""

    release_id: str = attribute("its id, which sorts by time", by=EVERYBODY)
    environment: str = attribute("the rung", by=EVERYBODY)
    kind: str = attribute("deploy, promote or rollback; apply for an apply that failed", by=EVERYBODY)
    version: str = attribute("the version; missing when none was published", by=(), may=EVERYBODY)
    previous_version: str = attribute("the version before; missing for a first release", by=(), may=EVERYBODY)
    digest: str = attribute(
        "the image; missing when a command failed before there was one", by=(PROMOTION, FUNCTIONS), may=(COMMANDS,)
    )
    git_commit: str = attribute("the commit, `-dirty` when files differed from it, or `none`", by=EVERYBODY)
    requested_by: str = attribute("user and host", by=EVERYBODY)
    result: str = attribute(
        "succeeded, failed, rolled_back, rollback_failed; unknown when it was rebuilt", by=EVERYBODY
    )
    started_at: str = attribute("when it began", by=EVERYBODY)
    ended_at: str = attribute("when it ended", by=EVERYBODY)
    cause: str = attribute(
        "why it ended so, or that it was untested", by=(PROMOTION, FUNCTIONS), may=(COMMANDS,), default=""
    )
    plan_id: str = attribute("the service's saved plan", by=(), may=(COMMANDS,), default="")
    execution_arn: str = attribute("the promotion's execution", by=(PROMOTION, FUNCTIONS), default="")
    deployment_id: str = attribute("CodeDeploy's deployment", by=(), may=(PROMOTION, FUNCTIONS), default="")
    input_key: str = attribute(
        "hash of everything that decides the image", by=(PROMOTION,), may=(COMMANDS, FUNCTIONS), default=""
    )
    hotfix: bool = attribute("whether it went past the alarms, all at once", by=EVERYBODY, default=False)
    skipped_ladder: str = attribute("why it was released past the ladder", by=(), may=(COMMANDS,), default="")
    error_kind: str = attribute("the kind of the error that failed it", by=(), may=(COMMANDS,), default="")
    failed_step: str = attribute("the step of the command that failed", by=(), may=(COMMANDS,), default="")
    detail: str = attribute(
        "what a tool or AWS wrote of the failure, a line each, without secrets", by=(), may=(COMMANDS,), default=""
    )

    @property
    def remarks(self) -> str:
        """What a person should know of it: its cause, and that it was released past the ladder; empty for nothing."""
        past = f"past the ladder: {self.skipped_ladder}" if self.skipped_ladder else ""
        return "; ".join(filter(None, (self.cause, past)))


@dataclass(frozen=True)
class Approval:
    """A question of a promotion to a person, and the decision."""

    rung: str = attribute("the rung", by=(PROMOTION,))
    token: str = attribute("the task token", by=(PROMOTION,))
    asked_at: str = attribute("when it was asked", by=(PROMOTION,))
    requested_by: str = attribute("who promotes", by=(PROMOTION,))
    decision: str = attribute("approved or rejected", default="")
    decided_by: str = attribute("who decided", default="")
    why: str = attribute("why", default="")
    decided_at: str = attribute("when", default="")
    release_id: str = attribute("the release", by=(PROMOTION,), default="")
    execution_arn: str = attribute("the execution", by=(PROMOTION,), default="")


@dataclass(frozen=True)
class DecisionRequest:
    """A child execution that waits for its parent's decision."""

    token: str = attribute("the task token", by=(PROMOTION,))
    release_id: str = attribute("the release", by=(PROMOTION,))
    execution_arn: str = attribute("the child's ARN", by=(PROMOTION,))
    asked_at: str = attribute("when it was asked", by=(PROMOTION,))


@dataclass(frozen=True)
class HookNote:
    """Why a hook failed a deployment, or who stopped it and why."""

    why: str = attribute("the reason, for a person", by=(COMMANDS, FUNCTIONS))
    error: str = attribute("the error's name", by=(COMMANDS,), may=(FUNCTIONS,))
    at: str = attribute("when", by=(COMMANDS, FUNCTIONS))


@dataclass(frozen=True)
class SentCommand:
    """One run of a release command on a target, for an image. Written before the command is sent, and with its answer.

    `outcome` is one of the five below. One that is `BEGUN`, while nobody is at work on it, has lost its answer.
    """

    release_id: str = attribute("the release for which it ran", by=(COMMANDS, FUNCTIONS))
    command: str = attribute("the command's name", by=(COMMANDS, FUNCTIONS))
    digest: str = attribute("the image", by=(COMMANDS, FUNCTIONS))
    version: str = attribute("the version that was invoked", by=(COMMANDS, FUNCTIONS))
    outcome: str = attribute("begun, succeeded or failed; done or again as a person decided", by=(COMMANDS, FUNCTIONS))
    requested_by: str = attribute("user and host", by=(COMMANDS, FUNCTIONS))
    began_at: str = attribute("when it was about to be sent", by=(COMMANDS, FUNCTIONS))
    run_id: str = attribute("names this one run", by=(COMMANDS, FUNCTIONS))
    ended_at: str = attribute("when its answer came", by=(), may=(COMMANDS, FUNCTIONS), default="")
    answer: str = attribute(
        "the beginning of its answer, or why there is none", by=(), may=(COMMANDS, FUNCTIONS), default=""
    )
    execution_arn: str = attribute("the promotion's execution", by=(FUNCTIONS,), default="")
    decided_by: str = attribute("who decided about a lost answer", by=(), may=(COMMANDS,), default="")
    why: str = attribute("why", by=(), may=(COMMANDS,), default="")


@dataclass(frozen=True)
class Bad:
    """Why a digest must not be released again."""

    marked_at: str = attribute("when", by=(COMMANDS, PROMOTION))
    by: str = attribute("who", by=(COMMANDS, PROMOTION))
    why: str = attribute("why", by=(COMMANDS, PROMOTION))

    def refusal(self, image: str) -> str:
        """Return the sentence with which everybody refuses the image; `image` is how it is named there."""
        return f"{image} was marked bad by {self.by} at {self.marked_at}: {self.why}"


@dataclass(frozen=True)
class Preview:
    """That a preview is there, or half there: written before anything of it is made, deleted after all is gone."""

    since: str = attribute("when it was first deployed")
    until: str = attribute("from when on a sweep destroys it")
    deployed_at: str = attribute("when it was last deployed")
    requested_by: str = attribute("user and host of the last deploy")
    branch: str = attribute("branch of the change; missing where nobody knows it", by=(), may=(COMMANDS,), default="")
    url: str = attribute("the function's URL, once it is known", by=(), may=(COMMANDS,), default="")
    functions: str = attribute(
        "names of the functions besides the project's own, with commas", by=(), may=(COMMANDS,), default=""
    )
    job: str = attribute("the address of the CI job that deployed it", by=(), may=(COMMANDS,), default="")


@dataclass(frozen=True)
class Unmarked:
    """That a digest's mark was removed, and what the mark had said."""

    unmarked_at: str = attribute("when")
    by: str = attribute("who")
    why: str = attribute("why", by=(), may=(COMMANDS,))
    marked_at: str = attribute("when it was marked", default="")
    marked_by: str = attribute("who marked it", default="")
    marked_why: str = attribute("why it was marked", default="")


RELEASE = ItemKind("a release of a rung", "env#{environment}", RELEASE_PREFIX + "{release_id}", ReleaseEntry)
APPROVAL = ItemKind("a question of a promotion", "climb#{execution}", "approval#{rung}", Approval)
DECISION = ItemKind("a child that waits for its decision", "climb#{execution}", "verdict", DecisionRequest)
HOOK = ItemKind("why a deployment failed or was stopped", "deployment#{deployment}", "hook", HookNote)
COMMAND = ItemKind("a run of a release command", "command#{environment}", "{digest}#{command}", SentCommand)
BAD = ItemKind("that an image is bad", "digest#{digest}", "bad", Bad)
UNMARKED = ItemKind("that a mark was removed", "digest#{digest}", "unmarked#{time}", Unmarked)
PREVIEW = ItemKind("a preview that exists", "previews", "{environment}", Preview)
KINDS = (LOCK, CURRENT, SERVICE, ROOT, RELEASE, COMMAND, APPROVAL, DECISION, HOOK, BAD, UNMARKED, PREVIEW)


def unchanged_run(was: SentCommand | None) -> tuple[str, dict[str, dict[str, Any]]]:
    """Return the condition, with its values, that a release command's item is still as it was read."""
    if was is None:
        return "attribute_not_exists(pk)", {}
    return "run_id = :run AND outcome = :outcome", {":run": {"S": was.run_id}, ":outcome": {"S": was.outcome}}
