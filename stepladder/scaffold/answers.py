"""Answers for the template: from flags, from a file, checked against the prompts before anything runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stepladder.errors import BadInputError


def prompts(template: Path) -> dict[str, Any]:
    """Return the template's prompts and their defaults: text, a list of choices (the default first), or a boolean."""
    declared = json.loads((template / "cookiecutter.json").read_text("utf-8"))
    return {key: value for key, value in declared.items() if not key.startswith("_")}


def read_file(path: Path) -> dict[str, Any]:
    """Read a JSON or YAML mapping of answers. Raises `BadInputError` when it is neither."""
    import yaml

    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(f"the answers in {path} can't be read: {error}") from None
    if not isinstance(content, dict):
        raise BadInputError(f"{path} holds no mapping of answers", hint="write one answer per line, like trigger: sqs")
    return content


def check(given: Mapping[str, Any], template: Path) -> dict[str, Any]:
    """Return the answers with YAML's guesses mended; raise `BadInputError` that lists unknown keys and choices.

    What the text of an answer may be is the template's own rule, checked for every way of generating.
    """
    known = prompts(template)
    checked = {key: _mended(value, known.get(key)) for key, value in given.items()}
    problems = [f"{key} is not an answer; allowed: {', '.join(known)}" for key in checked if key not in known]
    for key, value in checked.items():
        match known.get(key):
            case list(choices) if value not in choices:
                problems.append(f"{key} is {value!r}; allowed: {', '.join(choices)}")
            case bool() if not isinstance(value, bool):
                problems.append(f"{key} is {value!r}; allowed: true, false")
            case str() if not isinstance(value, str):
                problems.append(f"{key} is {value!r}; allowed: text (put it in quotes)")
    if problems:
        raise BadInputError("the answers are not valid", hint=_HINT, problems=tuple(problems))
    return checked


def as_data(value: Any) -> Any:
    """Return a Jinja expression that yields `value` itself.

    Cookiecutter renders answers that it doesn't ask for as templates, and `{{` in a description is no template. Jinja
    reads the escapes of a JSON string as JSON does; characters outside ASCII stay as they are.
    """
    return f"{{{{ {json.dumps(value, ensure_ascii=False)} }}}}" if isinstance(value, str) else value


def _mended(value: Any, default: Any) -> Any:
    """YAML reads 3.13 as a number, and an unquoted account as one too."""
    if isinstance(default, (str, list)) and isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value)
    return value


_HINT = "`inv new --help` lists the answers"
