"""Turn a story, its diagnosis and its audit into one page of HTML that needs nothing else. Pure.

Jinja escapes every value; the drawings are made of escaped parts. What others wrote loses secrets and control codes
before it gets there.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepladder import __version__
from stepladder.core.display import plain, plain_cause
from stepladder.core.names import split_target
from stepladder.core.release_facts import short
from stepladder.ledger.words import result_words
from stepladder.promotion.audit import HELD, VIOLATED, Judged
from stepladder.promotion.render import duration
from stepladder.report import charts, page_images, path_graph
from stepladder.report.cause_words import count_of_failed, failed_cases, shown_commits
from stepladder.report.causes import WENT_WELL, Diagnosis
from stepladder.report.cleaned import cleaned
from stepladder.report.clues import is_sibling
from stepladder.report.story import CUT_OFF, NOT_REACHED, RUNNING, UNKNOWN_END, Story, TargetStory
from stepladder.settings.redacted import redacted

if TYPE_CHECKING:
    from jinja2 import Template

_GOOD, _BAD, _WARN, _NEUTRAL = "good", "bad", "warn", "neutral"
_MOODS = {
    "promoted": _GOOD,
    "succeeded": _GOOD,
    "unchanged": _NEUTRAL,
    "rolled_back": _WARN,
    CUT_OFF: _WARN,
    RUNNING: _NEUTRAL,
    NOT_REACHED: _NEUTRAL,
    UNKNOWN_END: _NEUTRAL,
    "untouched": _NEUTRAL,
}
_MARKS = {_GOOD: "✓", _BAD: "✗", _WARN: "↩", _NEUTRAL: "·"}
_ENTRIES = 12
"""Targets of a rung that a page shows at once; the others are behind a fold."""
_CHARTED = 6
_LONGEST = 600  # characters of a cause
_PHASES = {
    "prepare": ("validating", "waiting for approval", "updating the code", "waiting for the update"),
    "publish": ("publishing a version", "waiting for the version", "starting its child execution"),
    "test": ("testing the version", "running the release command"),
    "shift": ("shifting traffic", "moving the alias to the first version"),
    "verify": ("verifying", "verifying the alias", "verified", "released", "waiting for the rest of the rung"),
    "back": ("rolling back", "verifying the rollback", "restored", "rolled back", "ROLLBACK FAILED", "refused"),
}
"""The groups of phases that a time line distinguishes."""
_TESTING = frozenset({"testing the version", "verifying", "verifying the alias"})


@dataclass(frozen=True)
class PageFacts:
    """What a page shows beside the story: the diagnosis, the audit or why there is none, and what the commit says."""

    diagnosis: Diagnosis
    promises: tuple[Judged, ...] = ()
    no_promises: str = ""
    commit_title: str = ""
    made_at: float = 0.0


def html(story: Story, facts: PageFacts) -> str:
    """Return the page."""
    story, facts = cleaned(story), replace(cleaned(facts), promises=facts.promises)
    moving = [target for target in story.targets if target.weights]
    moving.sort(key=lambda target: (not target.minutes, target.result in WENT_WELL))
    return _template().render(
        title=title(story),
        story=story,
        mood=_mood(story.end),
        mark=_MARKS[_mood(story.end)],
        end=result_words(story.end),
        facts=_facts(story, facts),
        diagnosis=facts.diagnosis if story.end not in WENT_WELL else None,
        causes=facts.diagnosis.causes[:_ENTRIES],
        ladder=_ladder(story),
        timeline=_timeline(story),
        charted=[(target, charts.of(target), charts.totals(target)) for target in moving[:_CHARTED]],
        uncharted=[target.key for target in moving[_CHARTED:]],
        drawings=path_graph.of(story),
        cases=_cases(story),
        images=page_images.released(story),
        changes=page_images.changes(story),
        promises=[_promise(one) for one in facts.promises],
        no_promises=facts.no_promises,
        unknown=story.unknown,
        version=__version__,
        made_at=_time(facts.made_at),
    )


def title(story: Story) -> str:
    """Return what a page is about, in a few words."""
    if story.name:
        return f"Promotion {story.name}"
    if story.release_id:
        return f"{story.kind.capitalize()} {story.release_id}"
    return story.kind or "A release"


@functools.cache
def _template() -> Template:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "clean": clean,
        "duration": duration,
        "safe_link": safe_link,
        "short": short,
        "time": _time,
        "words": result_words,
    }
    environment.globals |= {"style": (folder / "page.css").read_text("utf-8")}
    return environment.get_template("page.html.jinja")


def clean(text: object) -> str:
    """Return what somebody else wrote as people read it: without secrets, control codes and class names of ours."""
    return plain(redacted(str(text)))


def safe_link(address: str) -> str:
    """Return an address that a page may link to: one of the web, and nothing that a browser would run."""
    return address if address.startswith("https://") else ""


def _mood(result: str) -> str:
    return _MOODS.get(result, _BAD)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if at else "-"


def _facts(story: Story, facts: PageFacts) -> list[tuple[str, str, str]]:
    """Return name, value and address of what heads the page."""
    commit = shown_commits(story.git_commit)
    if facts.commit_title:
        commit = f"{commit} {facts.commit_title}"
    took = duration(max(0.0, story.ended - story.began)) if story.ended and story.began else ""
    rows = [
        ("by", story.requested_by, ""),
        ("commit", commit, ""),
        ("began", _time(story.began), ""),
        ("ended", f"{_time(story.ended)}, after {took}" if took else "", ""),
        ("release", story.release_id, ""),
        ("execution", story.name, story.links.get("execution", "")),
        ("remarks", "; ".join(story.remarks), ""),
        ("job", story.holder.job if story.holder else "", story.holder.job if story.holder else ""),
    ]
    return [(name, clean(value), safe_link(link)) for name, value, link in rows if value]


def _ladder(story: Story) -> list[dict[str, Any]]:
    """Return each rung, the highest first: its counts, and its targets, those that failed first."""
    ladder = []
    for rung in reversed(story.rungs):
        targets = [target for key in rung if (target := story.target(key))]
        targets.sort(key=lambda target: (_mood(target.result) in {_GOOD, _NEUTRAL}, is_sibling(target)))
        counts: dict[str, int] = {}
        for target in targets:
            counts[target.result] = counts.get(target.result, 0) + 1
        ladder.append(
            {
                "name": ", ".join(dict.fromkeys(split_target(key)[0] for key in rung)),
                "counts": [(number, result_words(result), _mood(result)) for result, number in counts.items()],
                "first": [_target(target) for target in targets[:_ENTRIES]],
                "rest": [_target(target) for target in targets[_ENTRIES:]],
            }
        )
    return ladder


def _target(target: TargetStory) -> dict[str, Any]:
    mood = _mood(target.result)
    note = "" if mood in {_GOOD, _NEUTRAL} else plain_cause(redacted(target.cause))[:_LONGEST]
    if is_sibling(target) and mood != _GOOD:
        note = "restored, because another target failed"
    return {
        "key": target.key,
        "mood": mood,
        "mark": _MARKS[mood],
        "result": result_words(target.result),
        "change": _change(target),
        "image": short(target.digest),
        "took": duration(max(0.0, target.ended - target.began)) if target.ended and target.began else "-",
        "note": clean(note),
        "links": [(name, address) for name, address in target.links.items() if safe_link(address)],
    }


def _change(target: TargetStory) -> str:
    if not target.version:
        return target.previous_version or "-"
    return f"{target.previous_version or 'none'} → {target.version}"


def _timeline(story: Story) -> dict[str, Any]:
    """Return the rows of the time line: each target's phases, by their part of the whole time in percent."""
    targets = [target for target in story.targets if target.phases and target.began]
    targets.sort(key=lambda target: _mood(target.result) in {_GOOD, _NEUTRAL})
    shown = sorted(targets[:_ENTRIES], key=lambda target: target.began)
    if not shown:
        return {"rows": [], "left_out": 0}
    first = min(target.began for target in targets)
    last = max((phase.at + phase.seconds for target in targets for phase in target.phases), default=first)
    span = max(last - first, 1.0)
    rows = [{"key": target.key, "took": _took(target, last), "bars": _bars(target, first, span)} for target in shown]
    used = {_group(phase.phrase) for target in shown for phase in target.phases}
    return {
        "rows": rows,
        "left_out": len(targets) - len(shown),
        "first": charts.clock(first),
        "last": charts.clock(last),
        "groups": [group for group in (*_PHASES, "other") if group in used],
    }


def _bars(target: TargetStory, first: float, span: float) -> list[dict[str, str]]:
    return [
        {
            "left": f"{(phase.at - first) / span * 100:.2f}",
            "width": f"{max(phase.seconds / span * 100, 0.4):.2f}",
            "group": _group(phase.phrase),
            "phrase": phase.phrase,
            "at": charts.clock(phase.at),
            "took": duration(phase.seconds),
        }
        for phase in target.phases
    ]


def _took(target: TargetStory, last: float) -> str:
    return duration(max(0.0, (target.ended or last) - target.began))


def _group(phrase: str) -> str:
    return next((group for group, phrases in _PHASES.items() if phrase in phrases), "other")


def _cases(story: Story) -> list[dict[str, Any]]:
    """Return the smoke cases by target: which passed and failed where, as far as a cause says so."""
    rows = []
    for target in story.targets[: _ENTRIES * 2]:
        reasons = failed_cases(target)
        names = [*target.cases, *(name for name in reasons if name not in target.cases)]
        listed = [_case(target, name, reasons) for name in names[: _ENTRIES * 2]]
        if listed:
            rows.append({"key": target.key, "cases": listed})
    return rows


def _case(target: TargetStory, name: str, reasons: dict[str, str]) -> tuple[str, str, str, str, str]:
    """Return name, result, mood, mark and reason of a case. A cause names five that failed, and counts the others."""
    phrases = {phase.phrase for phase in target.phases}
    if name in reasons:
        result = "failed"
    elif phrases.isdisjoint(_TESTING):
        result = "not run"
    else:
        result = "unknown" if count_of_failed(target) > len(reasons) else "passed"
    mood = {"failed": _BAD, "passed": _GOOD}.get(result, _NEUTRAL)
    return name, result, mood, _MARKS[mood], clean(reasons.get(name, ""))


def _promise(one: Judged) -> dict[str, Any]:
    mood = {HELD: _GOOD, VIOLATED: _BAD}.get(one.state, _NEUTRAL)
    return {
        "number": one.invariant.number,
        "sentence": one.invariant.sentence,
        "state": one.state,
        "mood": mood,
        "mark": {HELD: "✓", VIOLATED: "✗"}.get(one.state, "?"),
        "seen": [clean(line) for line in (one.seen, *one.more)][:_ENTRIES],
    }
