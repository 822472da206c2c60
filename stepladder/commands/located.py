"""Find the places that the output of checks names, so that a forge shows each message at its line.

Read are the formats of ruff, mypy, yamllint, Terraform and gcc (which shellcheck, hadolint and others can print), and
our own messages: `function/Dockerfile:12: ...`, and settings by their key in `invoke.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stepladder.core.display import without_escapes
from stepladder.core.errors import StepladderError
from stepladder.forge.interface import Annotation, Level

SETTINGS = "invoke.yaml"
_LEVELS: dict[str, Level] = {"info": "notice", "note": "notice", "warning": "warning"}
_UNFORMATTED = "the file is not formatted:"
_MOST = 50
"""Messages of one check. A forge shows a few dozen of a job."""
_AT = r"^[ ]*(?P<path>[^\s:][^:\n]*?):(?P<line>\d+)(?::\d+)?:?\s+(?P<message>\S.*)$"
_ARROW = r"^\s*--> (?P<path>.+?):(?P<line>\d+):\d+$"
_ON = r"^\s*(?:\S+ )?on (?P<path>\S+) line (?P<line>\d+)"
_ROW = r"^\s+(?P<line>\d+):\d+\s+(?:error|warning)\s+(?P<message>\S.*)$"
_REFORMAT = r"^Would reformat: (?P<path>.+)$"
_OLD = r"^--- old/(?P<path>.+)$"
_HUNK = r"^@@ -(?P<line>\d+)"
_INSIDE = r"\((?P<path>[\w./-]+\.\w+):(?P<line>\d+)\)"
_KEY = r"\bstepladder\.(?P<key>[\w.-]+\w)"


def of_output(text: str, root: Path, folder: Path) -> list[Annotation]:
    """Return the messages of a program's output that name a line of a file; it ran in `folder` of the project."""
    made = [each for each in _messages(without_escapes(text).splitlines()) if (folder / each.path).is_file()]
    unique = dict.fromkeys(made)
    return [_below(each, root, folder) for each in unique][:_MOST]


def of_error(error: StepladderError, root: Path) -> list[Annotation]:
    """Return the messages of an error of ours at what they name; at no place where they name none."""
    messages = list(error.problems) or [error.message]
    return [_at_named(message, root) for message in messages][:_MOST]


def _below(each: Annotation, root: Path, folder: Path) -> Annotation:
    path = (folder / each.path).resolve()
    shown = path.relative_to(root.resolve()) if path.is_relative_to(root.resolve()) else path
    return Annotation(each.message, each.level, str(root / shown), each.line)


def _messages(lines: list[str]) -> Iterator[Annotation]:
    heading = unformatted = before = ""
    for line in lines:
        words = line.strip(" │╷╵")
        if match := re.match(_ARROW, line) or re.match(_ON, words):
            yield Annotation(before or "see the log", path=match["path"], line=int(match["line"]))
        elif match := re.match(_REFORMAT, line):
            yield Annotation(f"{_UNFORMATTED} `ruff format` does it", path=match["path"], line=1)
        elif match := re.match(_OLD, line):
            unformatted = match["path"]
        elif unformatted and (match := re.match(_HUNK, line)):
            yield Annotation(f"{_UNFORMATTED} `terraform fmt` does it", path=unformatted, line=int(match["line"]))
            unformatted = ""
        elif heading and (match := re.match(_ROW, line)):
            yield Annotation(match["message"], path=heading, line=int(match["line"]))
        elif match := re.match(_AT, line):
            level = _LEVELS.get(match["message"].partition(":")[0], "error")
            yield Annotation(match["message"], level, match["path"], int(match["line"]))
        else:
            heading = line if line.strip() == line else ""
            before = words or before


def _at_named(message: str, root: Path) -> Annotation:
    match = re.match(_AT, message) or re.search(_INSIDE, message)
    for folder in (root, root / "terraform"):
        if match and (folder / match["path"]).is_file():
            text = match.groupdict().get("message") or message
            return Annotation(text, path=str(folder / match["path"]), line=int(match["line"]))
    if key := re.search(_KEY, message):
        return Annotation(message, path=str(root / SETTINGS), line=line_of_key(root / SETTINGS, key["key"]))
    named = next((word for word in re.findall(r"[\w./-]+\.\w+", message) if (root / word).is_file()), "")
    return Annotation(message, path=str(root / named) if named else "", line=1 if named else 0)


def line_of_key(file: Path, key: str) -> int:
    """Return the line of a setting, or of the nearest one above it; 1 where the file can't be read."""
    import yaml

    try:
        node = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (OSError, ValueError, yaml.YAMLError):
        return 1
    line = 1
    for part in ("stepladder", *key.split(".")):
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        match = next(((name, value) for name, value in pairs if name.value == part), None)
        if match is None:
            return line
        line, node = match[0].start_mark.line + 1, match[1]
    return line
