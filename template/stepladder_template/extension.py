"""What the template adds to cookiecutter's Jinja environment (a "local extension" in cookiecutter's words).

It exists for three things that hooks can't do:

* refuse bad answers before anything is created, since cookiecutter makes the project's folder before the first hook
* tell the hooks where the template is, since `_repo_dir` is relative to the caller's directory for a local template
* find the files of the chosen trigger kind
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from cookiecutter.exceptions import FailedHookException
from jinja2 import Environment
from jinja2.ext import Extension

from stepladder_template import triggers
from stepladder_template.answers import explain, problems

_CALLER = os.getcwd()  # noqa: PTH109 - this module is imported before cookiecutter changes its directory


class BadAnswersError(FailedHookException):  # type: ignore[misc]  # cookiecutter has no types
    """The answers can't become a project; cookiecutter's command line prints it without a traceback."""

    def __init__(self, messages: list[str], answers: Mapping[str, Any]) -> None:
        super().__init__(explain(messages))
        self.problems = tuple(messages)
        self.answers = {key: value for key, value in answers.items() if not key.startswith("_")}


class Stepladder(Extension):
    """Adds `refuse_bad_answers`, `template_directory`, `caller_directory`, `trigger_kind` and `trigger_file`."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.globals.update(
            refuse_bad_answers=refuse_bad_answers,
            # While cookiecutter renders a hook, its directory is the template's.
            template_directory=os.getcwd,
            caller_directory=lambda: _CALLER,
            trigger_kind=triggers.kind,
            trigger_file=triggers.file,
        )


def refuse_bad_answers(answers: Mapping[str, Any]) -> str:
    """Raise `BadAnswersError` with every problem, or return "yes"."""
    if messages := problems(answers):
        raise BadAnswersError(messages, answers)
    return "yes"
