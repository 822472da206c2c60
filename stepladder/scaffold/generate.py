"""Run cookiecutter's engine on our template, then finish the project; all of it or nothing.

Cookiecutter's command line does the same with the same files (a test compares the two trees). Here its parts are called
one by one, for three reasons: the project appears in its place only when it is whole, the hooks' work needs no further
processes, and `cookiecutter.main` imports an HTTP client that a template on disk doesn't need.
"""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import terminal
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.core.terminal import NoInputError
from stepladder.scaffold.answers import as_data, importable, prompts, refusal

_LONGEST = 100_000
"""Bytes of piped answers that are read: far more than all answers have."""


@dataclass(frozen=True)
class Generated:
    """A new project: its folder, the answers that made it, and what a person should know."""

    folder: Path
    answers: Mapping[str, Any]
    notes: tuple[str, ...]


Again = Callable[[BadInputError], None]
"""Takes what is wrong with a person's answers, before they are asked again."""


def generate(template: Path, output: Path, given: Mapping[str, Any], *, again: Again | None = None) -> Generated:
    """Generate a project below `output` from checked answers.

    The answers that are missing take their defaults. With `again` a person is asked for them. Raises `BadInputError`
    for answers that won't do and for a folder that exists, and `NotReadyError` when the template's repository is
    incomplete. Nothing is left behind then.
    """
    from cookiecutter.generate import generate_files

    with importable(template):
        from stepladder_template.finish import CannotFinishError, finish
        from stepladder_template.source import UnknownSourceError, find

        answers = _ask(template, given, again)
        target = output / str(answers["project_slug"])
        if target.exists():
            raise BadInputError(
                f"{target} exists already", kind="bad-answers", hint="choose another `--project-slug` or `--output`"
            )
        with _workshop(output) as workshop:
            try:
                made = Path(generate_files(template, {"cookiecutter": answers}, workshop, accept_hooks=False))
                notes = finish(made, template, find(template, caller=Path.cwd(), answers={}), answers)
            except (CannotFinishError, UnknownSourceError) as error:
                raise NotReadyError(str(error).partition("\n")[0], kind="bad-answers", hint=error.hint) from None
            made.rename(target)
    return Generated(target, answers, tuple(notes))


def _ask(template: Path, given: Mapping[str, Any], again: Again | None) -> dict[str, Any]:
    """Return all answers, those that the template derives included.

    A person who is asked is asked again when the answers won't do, with those answers as the defaults.
    """
    from cookiecutter.config import get_user_config
    from cookiecutter.exceptions import FailedHookException
    from cookiecutter.generate import generate_context
    from cookiecutter.prompt import prompt_for_config

    known, defaults = prompts(template), get_user_config()["default_context"]
    if again:
        _check_answers()
    while True:
        passed = {key: as_data(value) if isinstance(known[key], str) else value for key, value in given.items()}
        context = generate_context(str(template / "cookiecutter.json"), default_context=defaults, extra_context=passed)
        try:
            return dict(prompt_for_config(context, no_input=not again))
        except FailedHookException as error:
            if not again:
                raise refusal(error.problems) from None
            again(refusal(error.problems, hint="answer again; Enter keeps the answer that is shown"))
            given = error.answers
        except EOFError:
            raise _nobody() from None


def _check_answers() -> None:
    """Let the prompts read a person, or what was piped; refuse at once where there is neither.

    A pipe may have no end: `yes ''`.
    """
    if terminal.can_answer(sys.stdout):
        return
    try:
        if terminal.has_keyboard():  # of a CI job, or of a process in the background
            raise _nobody()
        sys.stdin = io.StringIO(terminal.piped(_LONGEST, silence=0).decode("utf-8", "replace"))
    except NoInputError:
        raise _nobody() from None


def _nobody() -> BadInputError:
    hint = "pass `--no-input`, and answers as flags or in a file"
    return BadInputError("there is nobody to answer the prompts", kind="bad-answers", hint=hint)


@contextlib.contextmanager
def _workshop(output: Path) -> Iterator[Path]:
    """Give a folder on the same file system as `output`, and clear it away."""
    output.mkdir(parents=True, exist_ok=True)
    workshop = Path(tempfile.mkdtemp(prefix=".stepladder-new-", dir=output))
    try:
        yield workshop
    finally:
        shutil.rmtree(workshop, ignore_errors=True)
