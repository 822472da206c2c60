"""Answers for the template: from flags, from a file, checked against the prompts before anything runs."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.core.similar import did_you_mean


def prompts(template: Path) -> dict[str, Any]:
    """Return the template's prompts and their defaults: text, a list of choices (the default first), or a boolean."""
    declared = json.loads((template / "cookiecutter.json").read_text("utf-8"))
    return {key: value for key, value in declared.items() if not key.startswith("_")}


def read_file(path: Path) -> dict[str, Any]:
    """Read a JSON or YAML mapping of answers. Raises `BadInputError` when it is neither."""
    import yaml

    try:
        content = yaml.safe_load(text.read(path, where=str(path)))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise BadInputError(
            f"the answers in {path} can't be read: {error}",
            kind="bad-answers",
            hint="write one answer per line, like `trigger: sqs`",
        ) from None
    if not isinstance(content, dict):
        raise BadInputError(
            f"{path} holds no mapping of answers",
            kind="bad-answers",
            hint="write one answer per line, like `trigger: sqs`",
        )
    return content


def check(given: Mapping[str, Any], template: Path) -> dict[str, Any]:
    """Return the answers, with numbers that YAML read turned back into text.

    Raises `BadInputError` that lists every answer that won't do.
    """
    known = prompts(template)
    checked = {key: _as_text(value, known.get(key)) for key, value in given.items()}
    problems = [_unknown(key, known) for key in checked if key not in known]
    for key, value in checked.items():
        match known.get(key):
            case list(choices) if value not in choices:
                meant = did_you_mean(value, choices)
                problems.append(f"{key} is {value!r}; allowed: {', '.join(choices)}{f'; {meant}' if meant else ''}")
            case bool() if not isinstance(value, bool):
                problems.append(f"{key} is {value!r}; allowed: true, false")
    with importable(template):
        from stepladder_template import answers

        problems += answers.problems(checked)
    if problems:
        raise refusal(problems)
    return checked


def _unknown(key: str, known: Iterable[str]) -> str:
    meant = did_you_mean(key, known)
    return f"{key} is not an answer; {f'{meant} ' if meant else ''}allowed: {', '.join(known)}"


def refusal(problems: Sequence[str], hint: str = "`inv --help new` lists the answers") -> BadInputError:
    """Return the error for answers that won't do."""
    return BadInputError(
        "these answers can't become a project", kind="bad-answers", hint=hint, problems=tuple(problems)
    )


@contextlib.contextmanager
def importable(template: Path) -> Iterator[None]:
    """Let the template's own modules be imported, as cookiecutter's command line does."""
    sys.path.append(str(template))
    try:
        yield
    finally:
        sys.path.remove(str(template))


def as_data(value: Any) -> Any:
    """Return a Jinja expression that yields `value` itself.

    Cookiecutter renders answers that it doesn't ask for as templates, and `{{` in a description is no template. Jinja
    reads the escapes of a JSON string as JSON does; characters outside ASCII stay as they are.
    """
    return f"{{{{ {json.dumps(value, ensure_ascii=False)} }}}}" if isinstance(value, str) else value


def _as_text(value: Any, default: Any) -> Any:
    """Turn a number back into text where text is wanted: YAML reads 3.13 as a number, and an unquoted account too."""
    if isinstance(default, (str, list)) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value
