"""`inv report`: write one page about a release or a promotion. Reads AWS only; writes one file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypedDict

from stepladder.core.errors import BadInputError
from stepladder.core.files import write_text
from stepladder.ledger.words import result_words
from stepladder.promotion.executions import StateMachine
from stepladder.report import causes, clues, extras, gather, minutes, page
from stepladder.report.cleaned import cleaned
from stepladder.report.page import PageFacts
from stepladder.report.subject import SubjectFinder

_FOLDER = "reports"


class ReportRecord(TypedDict):
    """The page that was written, for `--json`: where, what of, how that ended, and how large it is in bytes."""

    file: str
    release_id: str
    name: str
    end: str
    size: int
    unknown: list[str]


def report(
    machine: StateMachine, wanted: str = "", environment: str = "", output: str = "", *, opens: bool = False
) -> ReportRecord:
    """Write the page and return its record; `wanted` is empty for the newest release or promotion.

    Raises `BadInputError` (2) for a release that there isn't, for a project without any, and for a file that can't be
    written.
    """
    if environment:
        machine.settings.environment(environment)
    finder = SubjectFinder(machine, environment)
    subject = finder.named(wanted) if wanted else finder.newest()
    if subject is None:
        where = environment or machine.settings.lowest
        raise BadInputError(
            "there is no release and no promotion to report on",
            kind="unknown-release",
            hint=f"make one: `inv deploy --env {where}`",
        )
    with machine.console.step("report") as step:
        story = clues.with_clues(machine, gather.story(machine, subject))
        story = minutes.with_minutes(machine, story)
        story = extras.with_extras(machine, story, subject.execution)
        promises, unknown = extras.promises(machine, subject.execution, story)
        facts = PageFacts(
            diagnosis=causes.diagnose(cleaned(story)),
            promises=promises,
            no_promises=unknown,
            commit_title=extras.commit_title(machine, story.git_commit),
            made_at=machine.rung.clock.now(),
        )
        text = page.html(story, facts)
        path = _written(_path(machine, output, story.name or story.release_id), text)
        size = len(text.encode())
        step.done(f"{page.title(story)}, {result_words(story.end)}: {size / 1000:.0f} kB")
    if not machine.console.as_json:
        machine.console.data(str(path))
    if opens:
        _open(machine, path)
    return {
        "file": str(path),
        "release_id": story.release_id,
        "name": story.name,
        "end": story.end,
        "size": size,
        "unknown": list(cleaned(story.unknown)),
    }


def _path(machine: StateMachine, output: str, name: str) -> Path:
    """Return where the page goes: a file that was named, one of its own name in a folder, or the default."""
    safe = f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name) or 'report'}.html"
    if not output:
        return machine.settings.build_dir / _FOLDER / safe
    path = Path(output).expanduser()
    return path / safe if path.is_dir() or output.endswith("/") else path


def _written(path: Path, text: str) -> Path:
    try:
        return write_text(path, text)
    except OSError as error:
        raise BadInputError(
            f"the page can't be written to {path}: {error.strerror}",
            kind="bad-arguments",
            hint="name a file in a folder that may be written to: `inv report --output report.html`",
        ) from error


def _open(machine: StateMachine, path: Path) -> None:
    """Open the page in a browser where a person is at a terminal; say so where nobody is."""
    import webbrowser

    if not machine.console.live:
        machine.console.warn("nobody is at a terminal here, so the page is not opened")
    elif not webbrowser.open(path.resolve().as_uri()):
        machine.console.warn(f"no browser could be started; open {path} yourself")
