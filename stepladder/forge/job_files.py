"""Files that a runner gives to a job, and those that a job leaves to it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read_event(variable: str) -> dict[str, Any]:
    """Return the JSON object in the file that a variable names; an empty one without a file that holds any."""
    try:
        value = json.loads(Path(os.environ[variable]).read_text("utf-8"))
    except (KeyError, OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def append(variable: str, text: str, limit: int = 0) -> bool:
    """Add a text to the file that a variable names, up to `limit` bytes of it; return whether there is such a file."""
    name = os.environ.get(variable, "")
    if not name:
        return False
    data = text.encode()
    try:
        with Path(name).open("ab") as file:
            room = limit - file.tell()
            file.write(
                data if not limit or len(data) <= room else data[: max(room, 0)].decode("utf-8", "ignore").encode()
            )
    except OSError:
        return False
    return True


def below(workspace: str, path: str) -> str:
    """Return a path as the forge knows it: relative to the repository's folder, with slashes."""
    if not path or not workspace:
        return path
    try:
        return Path(path).resolve().relative_to(Path(workspace).resolve()).as_posix()
    except (OSError, ValueError):
        return path
