"""The comment that a change request gets: what a reviewer must know first, in ten seconds; the rest is folded away.

All that comes out of a plan stands in code spans and fenced blocks (`stepladder/core/markdown.py`). A comment that
would be longer than its forge allows loses details before a table row, a loss or a failure's cause.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from stepladder.core.display import cut
from stepladder.core.markdown import block, code, folded, plain
from stepladder.core.release_facts import short
from stepladder.releases.review import EnvironmentReview, Forecast
from stepladder.settings.functions import MAIN
from stepladder.terraform.allowed import flags
from stepladder.terraform.redaction import HIDDEN, AttributeChange
from stepladder.terraform.review import ReviewedChange, RootReview

MARKER = "stepladder:plan"
FORK = """### stepladder: nothing was planned

This change comes from a fork. Its jobs get no credentials, so no environment was planned and nothing is compared with
what runs. Somebody who may write here reads the change, then pushes it to a branch of this repository: its plan is
shown there.
"""
_ADDRESS, _PATH = 200, 120
_LOSSES = (40, 10, 3, 1, 0)
"""How many losses of an environment are listed: the first of these numbers with which the comment isn't too long."""
_SHOWN = 5
_FUNCTIONS = 3
"""How many functions that a merge would release are named."""
_RESERVED, _EXTRAS = 300, 3000
"""Characters that a root takes when nothing of it is shown, and that its notes may take."""
_REASONS = {
    "by_request": "as requested",
    "by_triggers": "by `replace_triggered_by`",
    "count_index": "its index is gone",
    "each_key": "its key is gone",
    "no_module": "its module is gone",
    "no_resource_config": "the code no longer has it",
    "tainted": "its creation was cut off, or somebody tainted it",
    "wrong_repetition": "`count` and `for_each` changed",
}
_SIGNS = {"create": "+", "delete": "-", "import": "+", "replace": "-", "remove": "!", "update": "!", "move": " "}


@dataclass(frozen=True)
class Page:
    """What stands around the reviews: the commit, the job's page, and the file that holds everything."""

    commit: str = ""
    job_url: str = ""
    file: str = ""


def render(reviews: Mapping[str, EnvironmentReview | None], page: Page, limit: int = 0) -> str:
    """Return the comment, of at most `limit` characters; 0 for the whole. None stands for a review that is missing."""
    foot = _foot(page)
    roots = [(name, root) for name, made in reviews.items() if made for root in made.roots]
    text = ""
    for most in _LOSSES:
        head = [_headline(reviews), _table(reviews)]
        head += [part for name, made in reviews.items() for part in _first(name, made, page, most)]
        text = "\n\n".join(head)
        if not limit or len(text) + len(foot) + _RESERVED * (len(roots) + 1) <= limit:
            break
    else:
        if len(text) + len(foot) + _RESERVED > limit:
            return f"{_fitted(reviews, page, limit - len(foot) - _RESERVED)}\n\n{foot}\n"
    for number, (name, root) in enumerate(roots):
        if limit and len(text) + len(foot) + _RESERVED > limit:
            break
        reserved = len(foot) + _RESERVED * (len(roots) - number)
        if part := _details(name, root, limit - len(text) - reserved if limit else None, page):
            text += f"\n\n{part}"
    return f"{text}\n\n{foot}\n"


def _headline(reviews: Mapping[str, EnvironmentReview | None]) -> str:
    lost = [change for made in reviews.values() if made for _, change in made.losses]
    guarded = sum(change.guarded for change in lost)
    failed = sum(made is None or made.failure is not None for made in reviews.values())
    parts = [f"**{_count(failed, 'plan')} failed**"] if failed else []
    if lost:
        refused = f", {guarded} of them refused unless allowed by name" if guarded else ""
        parts.append(f"**{_count(len(lost), 'resource')} would be destroyed or replaced**{refused}")
    changed = any(root.changes for made in reviews.values() if made for root in made.roots)
    parts = parts or ["nothing is destroyed" if changed else "no infrastructure changes"]
    return f"### stepladder: {'; '.join(parts)}"


def _fitted(reviews: Mapping[str, EnvironmentReview | None], page: Page, room: int) -> str:
    """Return the head of a comment on more environments than fit: those that failed or lose something come first."""
    names = sorted(reviews, key=lambda name: not _is_urgent(reviews[name]))
    headline = _headline(reviews)
    head = [*_fitting(_table({name: reviews[name] for name in names}).splitlines(), room * 2 // 3 - len(headline), 1)]
    parts = [part for name in names for part in _first(name, reviews[name], page, 1)]
    shown = _fitting(parts, room - len(headline) - sum(len(row) + 1 for row in head), 2)
    left = [f"{len(names) + 2 - len(head)} more environments"] if len(head) < len(names) + 2 else []
    left += [f"{len(parts) - len(shown)} more messages"] if len(shown) < len(parts) else []
    more = [f"And {' and '.join(left)}: see {_whole(page)}."] if left else []
    return "\n\n".join([headline, "\n".join(head), *shown, *more])


def _is_urgent(made: EnvironmentReview | None) -> bool:
    return made is None or made.failure is not None or bool(made.losses)


def _fitting(texts: list[str], room: int, apart: int) -> list[str]:
    """Return the first texts that fit into `room` characters."""
    ends = accumulate(len(text) + apart for text in texts)
    return [text for text, end in zip(texts, ends, strict=True) if end <= room]


def _table(reviews: Mapping[str, EnvironmentReview | None]) -> str:
    rows = ["| environment | Terraform | release after the merge |", "| --- | --- | --- |"]
    for name, made in reviews.items():
        rows.append(f"| {plain(name)} | {_terraform(made)} | {_releases(made)} |")
    return "\n".join(rows)


def _terraform(made: EnvironmentReview | None) -> str:
    if made is None or made.failure:
        return "**plan failed**"
    several = len(made.roots) > 1
    parts = [f"{root.root}: {_counts(root)}" if several else _counts(root) for root in made.roots if root.changes]
    parts += [f"{name}: made by the first deployment" for name in made.early]
    return "; ".join(parts) or "no changes"


def _counts(root: RootReview) -> str:
    counts = root.counts
    words = [(counts.imported, "to import"), (counts.add, "to add"), (counts.change, "to change")]
    parts = [f"{number} {verb}" for number, verb in words if number]
    parts += [f"**{counts.destroy} to destroy**"] if counts.destroy else []
    for action, verb in (("move", "moved"), ("remove", "to forget")):
        number = sum(change.action == action for change in root.changes)
        parts += [f"{number} {verb}"] if number else []
    return ", ".join(parts)


def _releases(made: EnvironmentReview | None) -> str:
    """Return what a merge would release; of several functions those that it would, the first of them by name."""
    forecasts = made.forecasts if made else {}
    if not made or not made.functions:
        return "".join(map(_release, forecasts.values()))
    needed = [f"{plain(name or MAIN)}: {_release(each)}" for name, each in forecasts.items() if each.is_needed]
    if not needed:
        return f"none: {_count(len(forecasts), 'function')} stay live"
    more = [f"{len(needed) - _FUNCTIONS} more"] if len(needed) > _FUNCTIONS else []
    left = [f"{len(forecasts) - len(needed)} without a release"] if len(forecasts) > len(needed) else []
    return "; ".join([*needed[:_FUNCTIONS], *more, *left])


def _release(following: Forecast) -> str:
    if following.image == "unknown":
        return "unknown"
    way = ", by promotion" if following.lower else ""
    if not following.version:
        return f"first release{way}"
    if not following.is_needed:
        return f"none: version {plain(following.version)} stays live"
    image = "new image" if following.image == "new" else "same image"
    changed = f"{image}, configuration changes" if following.configuration else image
    return f"new version after {plain(following.version)}{way}: {changed}"


def _first(name: str, made: EnvironmentReview | None, page: Page, most: int) -> list[str]:
    """Return what a reviewer must not miss of an environment: why there is no plan, and what would be lost."""
    if made is None:
        return [f"**{plain(name)} was not planned**: its job left no review, so it failed before; its log says why."]
    parts = []
    if made.failure:
        where = f" ({code(made.failure.root)})" if made.failure.root else ""
        kind = f" [{made.failure.kind}]" if made.failure.kind else ""
        parts.append(f"**{plain(name)}: the plan failed**{where}\n\n{block([made.failure.message + kind], 'text')}")
    if problem := next((each.problem for each in made.forecasts.values() if each.problem), ""):
        parts.append(f"{plain(name)}: the release is unknown\n\n{block([problem], 'text')}")
    if made.commit and page.commit and made.commit != page.commit:
        commits = f"{code(short(made.commit))}, not {code(short(page.commit))}"
        parts.append(f"**{plain(name)} was planned from another commit**: {commits}")
    if made.losses:
        lines = [_loss(change) for _, change in made.losses[:most]]
        more = len(made.losses) - len(lines)
        lines += [f"- and {more} more: see {_whole(page)}"] if more else []
        parts.append("\n".join([f"**{plain(name)} would lose**", "", *lines]))
    return parts


def _loss(change: ReviewedChange) -> str:
    verb = "destroys" if change.action == "delete" else "replaces"
    forced = [each for each in change.attributes if each.forces]
    why = f", forced by {'; '.join(_forced(each) for each in forced[:3])}" if forced else ""
    why = why or (f": {_REASONS[change.reason]}" if change.reason in _REASONS else "")
    line = f"- **{verb}** {code(cut(change.address, _ADDRESS))}{why}"
    if change.guarded:
        named = flags([change.address]) if len(change.address) <= _ADDRESS else "--allow-destroy"
        line += f"; **refused** without {code(named)}"
    return line


def _forced(attribute: AttributeChange) -> str:
    path = code(cut(attribute.path, _PATH))
    if attribute.before == attribute.after == HIDDEN:
        return f"{path} (hidden)"
    return f"{path} {code(attribute.before)} -> {code(attribute.after)}"


def _details(name: str, root: RootReview, room: int | None, page: Page) -> str:
    """Return a root's changes, as many as fit into `room` characters; None for all."""
    groups = [_lines(change) for change in root.changes]
    shown: list[list[str]] = []
    size = 0
    for group in groups:
        size += sum(len(line) + 1 for line in group)
        if room is not None and size > room:
            break
        shown.append(group)
    parts = []
    if shown:
        parts.append(block([line for group in shown for line in group], "diff"))
    if left := len(groups) - len(shown):
        parts.append(f"{_count(left, 'more resource')}: see {_whole(page)}")
    if room is None or size + _EXTRAS < room:
        parts += [block([f"note: {cut(note, _ADDRESS)}"], "text") for note in root.notes[:_SHOWN]]
    if not parts:
        return ""
    return folded(f"{name}/{root.root}: {_count(len(groups), 'change')}", "\n\n".join(parts))


def _lines(change: ReviewedChange) -> list[str]:
    sign = _SIGNS[change.action]
    remarks = {
        "delete": "destroyed",
        "import": f"imported: {change.import_id}",
        "move": f"moved from {change.previous_address}",
        "remove": "forgotten, not destroyed",
        "replace": "replaced",
    }
    remark = remarks.get(change.action, "")
    if change.action != "move" and change.previous_address:
        remark = ", ".join(filter(None, (remark, f"moved from {change.previous_address}")))
    if change.action != "import" and change.import_id:
        remark = ", ".join(filter(None, (remark, f"imported: {change.import_id}")))
    lines = [f"{sign} {change.address}" + (f"  ({remark})" if remark else "")]
    inner = "!" if change.action == "replace" else sign
    for each in change.attributes:
        forces = "  forces the replacement" if each.forces else ""
        value = each.after if change.action == "create" else f"{each.before} -> {each.after}"
        if each.before == each.after == HIDDEN:
            value = "changes (hidden)"
        lines.append(f"{inner}     {each.path}: {value}{forces}")
    if change.left_out:
        lines.append(f"{inner}     and {_count(change.left_out, 'more attribute')}")
    return lines


def _foot(page: Page) -> str:
    commit = f"Commit {code(short(page.commit))}. " if page.commit else ""
    hidden = "Secrets and the values of environment variables are hidden."
    return f"{commit}{hidden} Everything: {_whole(page)}."


def _whole(page: Page) -> str:
    file = code(page.file) if page.file else "the job's files"
    return f"{file} in the artifacts of [this job](<{page.job_url}>)" if page.job_url else file


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
