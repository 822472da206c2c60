"""`inv ci.issue`: keep one issue about drift, from the reports that the checks' jobs left; close it when all is clean.

A check that wasn't made is not clean: it neither opens the issue nor closes it. What a forge refuses is a warning: the
checks have their own exit codes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from stepladder.commands import drift_report
from stepladder.commands.drift_report import RELEASES, TERRAFORM, CheckReport, DriftFinding
from stepladder.core.console import Console
from stepladder.core.display import cut, one_line
from stepladder.core.markdown import block, code, plain
from stepladder.forge import registered
from stepladder.forge.interface import Forge, Posted
from stepladder.settings.load import Settings

MARKER = "stepladder:drift"
_SPARE = 200  # characters for the marker and for how many findings were left out
_TITLE = 200
_MOST = 30
"""Details of one finding that the issue has. Its command shows them all."""

Reports = Mapping[str, Mapping[str, CheckReport]]


def keep(settings: Settings, console: Console, forge: Forge | None = None) -> None:
    """Open, update, close or leave the issue, and print which."""
    forge = forge or registered.current()
    reports = _read(settings)
    drifted = [name for name, parts in reports.items() if any(part.findings for part in parts.values())]
    unchecked = [part.problem for parts in reports.values() for part in parts.values() if part.problem]
    text = render(reports, forge.job_url(), forge.comment_limit - _SPARE)
    if drifted:
        posted = forge.issue(_title(drifted), text, MARKER)
    elif unchecked:
        posted = Posted(problem="not everything was checked, so the issue is neither opened nor closed")
    else:
        posted = forge.close_issue(f"All is as Terraform and the releases left it.{_link(forge.job_url())}", MARKER)
    shown = forge.summary(text)
    if not shown and not posted.done and not console.as_json:
        console.data(text)
    _report(console, posted, drifted, unchecked, reports)


def render(reports: Reports, job: str = "", limit: int = 0) -> str:
    """Return the issue's text: a table of all environments, then each finding with the command that helps.

    `limit` is how many characters it may have, 0 for any number. Findings that have no room are counted.
    """
    rows = ["| environment | Terraform | releases |", "|---|---|---|"]
    rows += [f"| {plain(name)} | {_state(p[TERRAFORM])} | {_state(p[RELEASES])} |" for name, p in reports.items()]
    text = "\n".join(["Something isn't as Terraform or the last release left it." + _link(job), "", *rows, ""])
    if not any(part.findings for parts in reports.values() for part in parts.values()):
        text = "\n".join(["Nothing has drifted, as far as it was checked." + _link(job), "", *rows, ""])
    left_out = 0
    for section in _sections(reports):
        if limit and len(text) + len(section) > limit:
            left_out += 1
        else:
            text += f"\n{section}\n"
    if left_out:
        text += (
            f"\nand {left_out} more: the commands {' and '.join(map(code, drift_report.PARTS.values()))} show all.\n"
        )
    return text


def _title(drifted: list[str]) -> str:
    """Return a title that every forge takes whole: one that is cut never equals what was written."""
    names = ", ".join(drifted)
    if len(names) <= _TITLE:
        return f"Drift in {names}"
    return f"Drift in {cut(drifted[0], _TITLE)} and {len(drifted) - 1} more environments"


def _sections(reports: Reports) -> Iterator[str]:
    for parts in reports.values():
        for part in parts.values():
            yield from map(_finding, part.findings)
            if part.problem:
                yield f"* not checked: {plain(part.problem)}"


def _finding(finding: DriftFinding) -> str:
    lines = [f"* **{plain(finding.where)}**: {plain(finding.text)}. See {code(finding.command)}"]
    details = list(finding.details[:_MOST])
    if len(finding.details) > _MOST:
        details.append(f"and {len(finding.details) - _MOST} more")
    if details:
        lines += ["", *(f"  {line}" for line in block(details).splitlines()), ""]
    return "\n".join(lines)


def _state(part: CheckReport) -> str:
    none = "not checked" if part.problem else "as it was left"
    return f"**{len(part.findings)} differ**" if part.findings else none


def _link(job: str) -> str:
    return f" [The job]({job}) has checked it." if job else ""


def _read(settings: Settings) -> dict[str, dict[str, CheckReport]]:
    """Return the reports of the ladder's environments, and of any other that has one."""
    names = dict.fromkeys(settings.ladder_environments)
    others = (path.stem for path in sorted(drift_report.folder(settings).glob("*.json")))
    names |= dict.fromkeys(name for name in others if name in settings.environments)
    return {name: drift_report.read(settings, name) for name in names}


def _report(console: Console, posted: Posted, drifted: list[str], unchecked: list[str], reports: Reports) -> None:
    for problem in unchecked:
        console.warn(f"not checked: {one_line(problem)}")
    if posted.done:
        console.line(f"the issue is {posted.how}{f': {posted.url}' if posted.url else ''}")
    else:
        console.warn(f"no issue: {posted.problem}")
    if console.as_json:
        console.json(
            {
                "drifted": drifted,
                "environments": {name: {key: _data(part) for key, part in p.items()} for name, p in reports.items()},
                "issue": {"how": posted.how, "problem": posted.problem, "url": posted.url},
            }
        )


def _data(part: CheckReport) -> Mapping[str, object]:
    return {"findings": len(part.findings), "problem": part.problem}
