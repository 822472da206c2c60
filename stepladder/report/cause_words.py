"""What the words of a cause say: the kind of error that it is of, and which smoke cases failed and why. Pure."""

from __future__ import annotations

import re

from stepladder.core.display import plain_cause
from stepladder.ledger import schema
from stepladder.ledger.words import shown_commit
from stepladder.report.story import TargetStory
from stepladder.settings.redacted import redacted

CASES = r"(?s)(?P<subject>version \S+.*?) fail(?:s|ed) (?P<failed>\d+) of (?P<all>\d+) smoke cases: (?P<reasons>.+)"
KINDS = {
    "AlarmFiredError": "rolled-back",
    "ApprovalRejected": "approval",
    "CanaryFailedError": "rolled-back",
    "CanaryInconclusiveError": "rolled-back",
    "DeploymentFailed": "rolled-back",
    "LockedError": "locked",
    "NotServedError": "alias-changed",
    "ProbeFailedError": "smoke-failed",
    "SmokeFailedError": "smoke-failed",
    "StaleRevisionError": "changed-by-hand",
}
"""The kind of each error of the promotion's state machine and functions that has one of its own."""
_BY_WORDS = (
    (r"fails? \d+ of \d+ smoke cases", "smoke-failed"),
    (r"^Lambda could not take the image", "lambda-refused"),
    (r"^terraform \w+ of ", "terraform-failed"),
    (r"^(AccessDenied\w*|UnauthorizedOperation)$", "aws-denied"),
    (r"release command|^command \S+ ", "release-command-failed"),
    (r"^interrupted$", "interrupted"),
)
"""The kinds of causes that a release before 0.2 wrote, which kept no kind: by sentences of ours."""


def shown_commits(recorded: str) -> str:
    """Return the commits of a release, of which several functions may have one each, as people read them."""
    return ", ".join(shown_commit(each) for each in recorded.split(", ") if each)


def reasons_in(text: str) -> tuple[str, ...]:
    """Return the reasons of several cases: each begins with its case's name."""
    return tuple(part.strip() for part in re.split(r"; (?=[\w .-]+: )", text.strip()))


def failed_cases(target: TargetStory) -> dict[str, str]:
    """Return why smoke cases of a target failed, by their names, as far as its cause names them."""
    cases = re.search(CASES, plain_cause(redacted(target.cause)))
    pairs = (reason.partition(": ") for reason in reasons_in(cases["reasons"])) if cases else ()
    return {name: why for name, _, why in pairs}


def count_of_failed(target: TargetStory) -> int:
    """Return how many smoke cases of a target failed, by its cause."""
    cases = re.search(CASES, target.cause)
    return int(cases["failed"]) if cases else 0


def kind_of(target: TargetStory, cause: str) -> str:
    """Return the kind of a target's failure: as the ledger kept it, by an error's name, or by sentences of ours."""
    if target.entry and target.entry.error_kind:
        return target.entry.error_kind
    names = [target.error, *re.findall(r"\b[A-Z]\w+\b", cause)]
    for name in names:
        if name in KINDS:
            return KINDS[name]
    return next((kind for words, kind in _BY_WORDS if re.search(words, cause)), _by_result(target))


def _by_result(target: TargetStory) -> str:
    if target.result == schema.ROLLBACK_FAILED:
        return "rollback-failed"
    if target.result == schema.ROLLED_BACK:
        return "rolled-back"
    kind = target.entry.kind if target.entry else schema.PROMOTE
    return "promotion-refused" if kind == schema.PROMOTE else "release-failed"
