"""`inv ci.comment`: show on a change request what it would do, from the reviews that the plans' jobs left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from stepladder.core import git
from stepladder.core.console import Console
from stepladder.core.display import one_line
from stepladder.core.errors import StepladderError
from stepladder.core.files import write_text
from stepladder.forge import registered
from stepladder.forge.interface import Forge, Posted
from stepladder.releases import review as reviews
from stepladder.releases import review_comment
from stepladder.releases.review import EnvironmentReview
from stepladder.releases.review_comment import FORK, MARKER, Page
from stepladder.settings.load import Settings

FILE = "comment.md"
_SPARE = 2000  # characters for the marker, and for the section of a preview


def comment(settings: Settings, console: Console, forge: Forge | None = None) -> None:
    """Write the comment, also as the job's summary and to a file; print it where no forge shows it.

    What a forge refuses is a warning: no pipeline fails for a comment.
    """
    forge = forge or registered.current()
    made = {name: reviews.read(settings, name, registered.run()) for name in settings.environments}
    forked = forge.is_fork()
    file = settings.build_dir / reviews.FOLDER / FILE
    page = Page(_commit(settings, console), forge.job_url(), str(file.relative_to(settings.root)))
    whole = FORK if forked else review_comment.render(made, page)
    if problem := _unwritten(file, whole):
        console.warn(f"{page.file} can't be written: {problem}")
        page = replace(page, file="")
    summarised = forge.summary(whole)
    if forked:
        posted = Posted(problem="the change comes from a fork, whose jobs get no credentials: nothing was planned")
        _annotate(forge, console, posted.problem)
    elif forge.change_request():
        text = review_comment.render(made, page, forge.comment_limit - _SPARE)
        posted = forge.comment(text, MARKER)
    else:
        posted = Posted(problem="this job runs for no change request")
        if not summarised and not console.as_json:
            console.data(whole)
    _report(console, posted, made, forked=forked, file=page.file)


def _commit(settings: Settings, console: Console) -> str:
    """Return the commit; empty where git can't say it."""
    try:
        return git.commit(settings.root, ("terraform", "invoke.yaml", "policies")).sha
    except StepladderError as error:
        console.warn(f"the comment names no commit: {one_line(error.message)}")
        return ""


def _unwritten(file: Path, text: str) -> str:
    """Write the file; return what stands in the way."""
    try:
        write_text(file, text)
    except OSError as error:
        return error.strerror or type(error).__name__
    return ""


def _annotate(forge: Forge, console: Console, message: str) -> None:
    line = forge.annotation(message, level="notice")
    if line != message:
        console.line(line)


def _report(
    console: Console, posted: Posted, made: Mapping[str, EnvironmentReview | None], *, forked: bool, file: str
) -> None:
    if posted.done:
        console.line(f"the comment is {posted.how}{f': {posted.url}' if posted.url else ''}")
    else:
        console.warn(f"no comment: {posted.problem}")
    if console.as_json:
        console.json(
            {
                "comment": {"how": posted.how, "problem": posted.problem, "url": posted.url},
                "environments": {name: _state(each) for name, each in made.items()},
                "file": file,
                "fork": forked,
            }
        )


def _state(made: EnvironmentReview | None) -> Mapping[str, object]:
    """Return an environment's review in a few words for a program."""
    if made is None or made.failure:
        return {"planned": False, "why": made.failure.message if made and made.failure else "no review"}
    changes = [change for root in made.roots for change in root.changes]
    return {
        "planned": True,
        "changes": len(changes),
        "destroys": [change.address for change in changes if change.is_loss],
        "refused": [change.address for change in changes if change.guarded],
        "release": any(each.is_needed for each in made.forecasts.values()),
    }
