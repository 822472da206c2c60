"""What people are told to type exists: each `inv ...` that is printed or documented, with its flags."""

from __future__ import annotations

import ast
import json
import re
import shlex
import sys
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from invoke import ParseError
from invoke.parser import Parser

import tasks
from stepladder.collections import namespace, project
from stepladder.collections.usage import AGAIN
from stepladder.core import error_kinds
from stepladder.settings.load import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "docs"))

import error_catalogue  # noqa: E402

SOURCES = [
    *sorted((ROOT / "stepladder").rglob("*.py")),
    *sorted((ROOT / "function").rglob("*.py")),
    *sorted((ROOT / "template" / "stepladder_template").rglob("*.py")),
]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
DOCS = [page for page in (ROOT / "docs").rglob("*.md") if page.parent.name != "decisions"]  # these tell the past
PAGES += sorted(DOCS)
PAGES += sorted((ROOT / "template").rglob("README.md")) + sorted((ROOT / "template").rglob("AGENTS.md"))
PAGES.remove(ROOT / "docs" / "reference" / "errors.md")  # made of the messages, with gaps in them
COMMAND = re.compile(r"\binv(?:oke)? [a-z]")
ANY = "1"  # stands for what is only known when a message is made: it will do for text and numbers


@cache
def _contexts(*, repository=False):
    """The tasks of a project, and what the documents show of this repository's; or this repository's alone."""
    if repository:
        return tasks.ns.to_contexts()
    root = namespace()
    for each in (project.check, project.test, project.lock):
        root.add_task(each)
    for own in (tasks.demo, tasks.bench, tasks.docs):
        root.add_task(own)
    return root.to_contexts()


@cache
def _wrong(command, *, repository=False):
    """Return why a command line can't be typed as it stands, or an empty text."""
    contexts = _contexts(repository=repository)
    words = shlex.split(command)
    whole, words = (
        len(words),
        [word for before, word in pairwise(words) if not _flags(before, word)],
    )
    try:
        for context in list(Parser(contexts=contexts, initial=None, ignore_unknown=False).parse_argv(words)):
            needed = [name for name, argument in context.args.items() if argument.value is None]
            if needed and len(words) == whole - 1:
                return f"`{command}` lacks --{', --'.join(needed)}"
    except (ParseError, ValueError) as error:
        return f"`{command}`: {error}"
    return "" if words else f"`{command}` names no task"


def _flags(before, word):
    """Say whether a word stands for flags that are only known when a message is made."""
    return word == ANY and not before.startswith("-")


def _texts(path):
    """Yield line and text of every string in a module that isn't documentation; what is filled in becomes `ANY`."""
    tree = ast.parse(path.read_text("utf-8"))
    bodies = [node.body for node in ast.walk(tree) if hasattr(node, "body") and isinstance(node.body, list)]
    docs = {id(s.value) for body in bodies for s in body if isinstance(s, ast.Expr)}
    joined = [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)]
    parts = {id(part) for node in joined for part in ast.walk(node) if part is not node}
    for node in joined:
        yield node.lineno, "".join(p.value if isinstance(p, ast.Constant) else ANY for p in node.values)
    for node in ast.walk(tree):
        text = isinstance(node, ast.Constant) and isinstance(node.value, str)
        if text and id(node) not in docs and id(node) not in parts:
            yield node.lineno, node.value


def _commands(text):
    """Return the commands in backticks, and what is left: no command may stand there."""
    spans = re.findall(r"`([^`]*)`", text)
    inner = [found[1] for span in spans for found in [re.search(r"\$\((.*)\)", span)] if found]
    return [span for span in (*spans, *inner) if re.match(r"inv(?:oke)? [a-z]", span)], re.sub(r"`[^`]*`", "", text)


def test_every_command_that_is_printed_can_be_typed():
    for path, line, text in ((source, *found) for source in SOURCES for found in _texts(source)):
        if not COMMAND.search(text) or re.fullmatch(r"inv [\w.]+ ?", text):  # the name of a task by itself
            continue
        whole = text.startswith(("inv ", 'eval "$(inv '))
        commands, rest = _commands(f"`{text}`" if whole else text)
        assert not COMMAND.search(rest), f"{path}:{line}: a command stands in backticks: {text}"
        assert [why for why in map(_wrong, commands) if why] == [], f"{path}:{line}"
        assert "<" not in "".join(commands), f"{path}:{line}: a command stands to be filled in: {text}"


def _typed(page):
    """Yield what a page has people type: code spans, and the lines of shell blocks, that call a task."""
    text = page.read_text("utf-8")
    for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL):
        for line in block.splitlines():
            yield from re.split(r" && |; |\|", re.sub(r"\s#.*", "", line))
    yield from re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_flags_of_every_documented_command_exist(page):
    """A page of the docs may be about a project, or about work on stepladder itself."""
    commands = []
    for typed in _typed(page):
        found = re.match(
            r"(?:(?:\.venv/bin/|uv run )?inv(?:oke)?|.*\$\(inv) ([a-z][\w.]* --?.*?)(?:\)\"?)?$", typed.strip()
        )
        commands += [f"inv {found[1]}"] if found else []
    wrong = [{_wrong_flags(command, repository=own) for own in (False, True)} for command in commands]
    assert [whys for whys in wrong if "" not in whys] == []


def _wrong_flags(command, *, repository):
    """As `_wrong`, but a command in prose may leave out what is needed."""
    why = _wrong(re.sub(r"[<\[]|[>\]]|\.\.\.", "", command), repository=repository)
    return "" if " lacks " in why else why


PROGRAMS = {"aws", "chmod", "df", "docker", "env", "eval", "git", "iconv", "kill", "localcloud", "ls", "tr", "uv"}
DOCKERFILE = {"--chmod", "--link", "--mount", "--platform", "ARG", "AS", "CMD", "COPY", "FROM"}
"""What stands in a Dockerfile, where a hint shows how it is written."""
NOT_OURS = {"--hash", "--no-deps"}
"""Flags of pip's."""


@cache
def _flags_of_all():
    contexts = (*_contexts(), *_contexts(repository=True))
    return {flag for context in contexts for flag in (*context.flag_names(), *context.inverse_flags)} | {
        "--dry",
        "--help",
    }


@cache
def _files():
    project = next((ROOT / "template").glob("{{*"))
    return {path.name for folder in (project, project / "function") for path in folder.iterdir()} | {".stepladder"}


def _exists(span):
    """Say whether what a hint shows exists: a command, a flag, a setting, a variable or a file. `1` is any text."""
    span = re.sub(r"<[\w.]+>", ANY, span)
    first = span.split()[0]
    if first == "inv":
        task = span.removesuffix(" --help").removesuffix(" --list")
        return task == "inv" or _wrong_flags(task, repository=False) == ""
    if first.startswith("stepladder."):
        return _is_setting(first.split(".")[1:])
    if first.endswith(":"):
        return first.removesuffix(":") in json.loads((ROOT / "template" / "cookiecutter.json").read_text("utf-8"))
    if first.startswith("--"):
        return first.partition("=")[0] in _flags_of_all() | DOCKERFILE | NOT_OURS
    variable = re.match(r"(AWS|INVOKE|STEPLADDER|BUILDX)_", first)
    if variable or first in PROGRAMS | DOCKERFILE | {"#"} or ANY in first:
        return True
    return {first.split("/")[0], first.rpartition("/")[2]} & _files() != set() or (ROOT / first).exists()


def _is_setting(keys):
    values = DEFAULTS
    for key in keys:
        if keys[0] == "environments" or (isinstance(values, dict) and key in values):
            values = values.get(key) if isinstance(values, dict) else None
        else:
            return False
    return True


SHOWN_AS_IT_IS = {"!", "*", "-", "_", ".", "\\[", "ecr:*", "s3:GetObject", "s3:ListBucket"}
"""Spans that are letters or a permission."""


def _spans(text):
    return [span for span in re.findall(r"`([^`]+)`", text) if span not in SHOWN_AS_IT_IS and span != "<...>"]


@pytest.fixture(scope="module")
def raised():
    return error_catalogue.raised()


def test_every_hint_has_a_command_or_a_place_to_edit_that_exists(raised):
    """What a hint is filled with is a text of the code too, and checked where it stands."""
    bare = [
        f"{place.where}: {place.hint}"
        for place in raised
        if place.hint and not _spans(place.hint) and AGAIN not in place.hint and "<" not in place.hint
    ]
    assert bare == []
    wrong = {f"{place.where}: `{span}`" for place in raised for span in _spans(place.hint) if not _exists(span)}
    assert wrong == set()


def test_every_kind_of_error_says_which_command_or_file_fixes_it():
    """It is what an error without a hint leads to: `inv explain` stands behind each."""
    kinds = error_kinds.read().values()
    assert [each.kind for each in kinds if not _spans(each.fix)] == []
    assert [f"{each.kind}: `{span}`" for each in kinds for span in _spans(each.fix) if not _exists(span)] == []
