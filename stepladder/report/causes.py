"""Name the causes of a failure, ranked, each with its evidence, where that came from, and the next command. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from stepladder.core.clock import stamp
from stepladder.core.display import plain_cause
from stepladder.core.names import flags_of
from stepladder.ledger import schema
from stepladder.promotion import history
from stepladder.report import next_commands
from stepladder.report.cause_words import CASES, KINDS, kind_of, reasons_in
from stepladder.report.cleaned import cleaned
from stepladder.report.clues import blamed
from stepladder.report.story import CUT_OFF, RUNNING, Story, TargetStory
from stepladder.report.visits import open_states
from stepladder.settings.redacted import redacted

WENT_WELL = frozenset({"promoted", schema.SUCCEEDED})
_DENIED = (
    r"(?:User: (?P<principal>\S+) is|(?P<other>\S+) is) not authorized to perform:? (?P<action>[\w-]+:\w+)"
    r"(?: on resource:? (?P<resource>[^\s,]+))?"
)
_MAY_NOT = r"these credentials may not call (?P<action>\w+)"
_SHOWN = 6  # lines of evidence of a cause
_NOT_OF_CODE = frozenset(
    {"alias-changed", "approval", "aws-denied", "changed-by-hand", "interrupted", "lambda-refused", "locked"}
    | {"marked-bad", "terraform-failed"}
)
"""Kinds of failures that no exception of the function brings about: what it raised meanwhile comes after them."""
_BY_HAND = "MANUAL_STOP"


@dataclass(frozen=True)
class Cause:
    """One cause: its kind for `inv explain`, one sentence, its evidence as lines, their source, what to type next."""

    kind: str
    target: str
    sentence: str
    evidence: tuple[str, ...] = ()
    source: str = ""
    link: str = ""
    command: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """Why a release or promotion failed. `causes` are ranked, the likeliest first; `state` is where it failed.

    `end` is empty when nothing failed. `is_known` says whether it needs no cause, or one is named.
    """

    release_id: str
    name: str
    kind: str
    end: str
    environments: tuple[str, ...]
    requested_by: str
    git_commit: str
    began_at: str
    ended_at: str
    state: str
    causes: tuple[Cause, ...]
    command: str
    links: dict[str, str]
    unknown: tuple[str, ...]
    execution_arn: str = ""
    is_known: bool = True


def nothing(unknown: tuple[str, ...]) -> Diagnosis:
    """Return the diagnosis of a project in which nothing failed, as far as that could be read."""
    return Diagnosis("", "", "", "", (), "", "", "", "", "", (), "", {}, unknown)


def diagnose(story: Story) -> Diagnosis:
    """Return the diagnosis of a story; without causes when it went well, runs, or nothing is known."""
    causes = () if story.end in WENT_WELL else tuple(_causes(story))
    first = blamed(story)[:1]
    made = Diagnosis(
        release_id=story.release_id,
        name=story.name,
        kind=story.kind,
        end=story.end,
        environments=story.environments,
        requested_by=story.requested_by,
        git_commit=story.git_commit,
        began_at=stamp(story.began) if story.began else "",
        ended_at=stamp(story.ended) if story.ended else "",
        state=_state(story, first[0] if first else None),
        causes=causes,
        command=next_commands.of_story(story, causes[0].command if causes else ""),
        links=dict(story.links),
        unknown=story.unknown,
        execution_arn=story.arn,
        is_known=story.end in WENT_WELL or story.end == RUNNING or bool(causes),
    )
    return cleaned(made)  # once more: what was JSON within a text is unwrapped now


def _state(story: Story, target: TargetStory | None) -> str:
    if target and target.failed_state:
        phrase = history.phrase_of(target.failed_state)
        return f"{target.failed_state} ({phrase})" if phrase else target.failed_state
    if story.end in WENT_WELL:
        return ""
    left = open_states(story.visits)
    return left[-1].state if left else ""


def _causes(story: Story) -> Iterator[Cause]:
    if story.holder:
        yield _cut_off_command(story)
    if story.end == CUT_OFF and not story.holder:
        yield _cut_off_promotion(story)
    targets = blamed(story)
    if story.end == CUT_OFF:  # the cause that is recorded of a target is that, too
        targets = tuple(target for target in targets if target.exception or target.alarms or target.commands)
    for target in targets:
        yield from _of_target(story, target)
    if not targets and story.end not in WENT_WELL | {CUT_OFF, RUNNING} and (story.error or story.cause):
        sentence = plain_cause(redacted(story.cause)) or story.error
        yield _denied(story, "", sentence) or Cause(
            KINDS.get(story.error, "promotion-refused"),
            "",
            sentence,
            source=_of_execution(story),
            command=next_commands.again(story),
        )
    if not targets and story.end not in WENT_WELL:
        yield from _of_rung(story)


def _of_target(story: Story, target: TargetStory) -> Iterator[Cause]:
    """Yield the causes of one target: what a person fixes comes first, then what it led to."""
    entry = target.entry
    cause = redacted(target.cause or (entry.cause if entry else ""))
    sentence = plain_cause(cause)
    detail = tuple(line for line in (entry.detail.split("\n") if entry and entry.detail else ()))
    kind = kind_of(target, cause)
    source = _source(story, target)
    if denied := _denied(story, target.key, " ".join((cause, *detail))):
        yield replace(denied, evidence=(*denied.evidence, *_shown(sentence)), source=source)
    for run in target.commands:
        if run.outcome in {"failed", "begun"}:
            yield Cause(
                "release-command-failed" if run.outcome == "failed" else "release-command-unknown",
                target.key,
                f"release command {run.command} {'failed' if run.outcome == 'failed' else 'has no answer'} "
                f"on version {run.version}",
                _shown(redacted(run.answer)),
                "the ledger's record of the command",
                command=f"inv ledger.command {flags_of(target.key)}",
            )
    leads = kind not in _NOT_OF_CODE and _BY_HAND not in cause
    if leads:
        yield from _raised(target)
    for alarm in target.alarms:
        values = ", ".join(f"{value:g}" for value in alarm.values[-_SHOWN:])
        lines = (alarm.condition, f"values: {values}" if values else "", alarm.reason)
        yield Cause(
            "rolled-back",
            target.key,
            f"alarm {alarm.name} fired" + (f" at {stamp(alarm.at)}" if alarm.at else ""),
            tuple(line for line in lines if line),
            alarm.source,
            alarm.link,
            next_commands.logs(target),
        )
    if cases := re.search(CASES, cause):
        reasons = reasons_in(cases["reasons"])
        yield Cause(
            "smoke-failed",
            target.key,
            f"{cases['failed']} of {cases['all']} smoke cases failed on version {target.version or '?'}",
            (*reasons, *detail)[:_SHOWN],
            source,
            command=next_commands.smoke(target),
        )
    elif (sentence or target.error) and not target.alarms and not denied:
        yield Cause(
            kind,
            target.key,
            sentence or target.error,
            detail[:_SHOWN],
            source,
            command=next_commands.of_target(story, target, kind),
        )
    if not leads:
        yield from _raised(target)


def _raised(target: TargetStory) -> Iterator[Cause]:
    if raised := target.exception:
        yield Cause(
            "function-failed",
            target.key,
            f"version {target.version} raised {raised.raised}" + (f" at {raised.place}" if raised.place else ""),
            (f"first at {stamp(raised.at)}", *raised.frames)[:_SHOWN],
            raised.source,
            raised.link,
            next_commands.logs(target),
        )


def _shown(*lines: str) -> tuple[str, ...]:
    return tuple(line for line in lines if line)[:_SHOWN]


def _denied(story: Story, key: str, text: str) -> Cause | None:
    """Return the cause of a denied call: action, resource and principal as AWS wrote them."""
    match = re.search(_DENIED, text)
    if match is None:
        only = re.search(_MAY_NOT, text)
        if only is None:
            return None
        return Cause(
            "aws-denied",
            key,
            f"{only['action']} was denied",
            (),
            _of_execution(story),
            command="inv explain aws-denied",
        )
    principal, resource = match["principal"] or match["other"], (match["resource"] or "").rstrip(".")
    lines = (f"action: {match['action']}", f"resource: {resource}" if resource else "", f"principal: {principal}")
    return Cause(
        "aws-denied",
        key,
        f"{match['action']} was denied" + (f" on {resource}" if resource else ""),
        _shown(*lines),
        _of_execution(story),
        command="inv explain aws-denied",
    )


def _cut_off_command(story: Story) -> Cause:
    holder = story.holder
    if holder is None:
        raise AssertionError("a command that was cut off holds a lock")
    key = story.rungs[0][0] if story.rungs else ""
    lines = (f"by {holder.owner} since {holder.since}", f"job: {holder.job}" if holder.job else "")
    moving = f"the alias was about to serve version {holder.version}" if holder.version else ""
    return Cause(
        "interrupted",
        key,
        f"{holder.command} was cut off and left its lock on {key}",
        _shown(*lines, moving),
        f"the lock of {key} in the ledger",
        command=next_commands.again_of(holder, key),
    )


def _cut_off_promotion(story: Story) -> Cause:
    left = open_states(story.visits)
    where = "; ".join(f"{visit.key or 'the promotion'} was in {visit.state}" for visit in left[-_SHOWN:] if visit.key)
    text = plain_cause(redacted(story.cause)) or story.error
    return Cause(
        "promotion-refused",
        "",
        "the promotion was cut off" + (f": {text}" if text else ""),
        _shown(where),
        _of_execution(story),
        story.links.get("execution", ""),
        f"inv promote.watch --name {story.name}",
    )


def _of_rung(story: Story) -> Iterator[Cause]:
    """Yield what failed outside of any target: an approval, or the rung's own states."""
    for visit in story.visits:
        if visit.key or not visit.error or visit.state in {"ReleaseTargets", "FinishTargets", "PromoteRungs"}:
            continue
        if visit.state in {"AwaitApproval", "ValidateBeforeApproval", "RecoverRung"}:
            what = plain_cause(redacted(visit.cause)) or visit.error
            kind = "approval" if visit.state == "AwaitApproval" else KINDS.get(visit.error, "promotion-refused")
            yield Cause(
                kind, "", f"{visit.state}: {what}", (), _of_execution(story), command=next_commands.again(story)
            )


def _source(story: Story, target: TargetStory) -> str:
    if target.child:
        return f"child execution {target.child.rpartition(':')[2]}"
    if story.arn and story.visits:
        return _of_execution(story) + (f", state {target.failed_state}" if target.failed_state else "")
    return f"the ledger's entry of {target.key}" + (f", step {target.failed_state}" if target.failed_state else "")


def _of_execution(story: Story) -> str:
    return f"execution {story.name}" if story.name else "the ledger"
