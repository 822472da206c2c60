"""Write files so that a kill leaves the old or the new content, and equal content has equal bytes."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any


def write_text(path: Path, text: str, *, mode: int = 0o644) -> Path:
    """Write a file at once (temporary file, rename), only when its content differs; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if path.read_text(encoding="utf-8") == text:
            return path
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return path


def canonical(value: Any) -> str:
    """Return JSON whose bytes depend on the value only."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any, *, mode: int = 0o644) -> Path:
    """Write a value as canonical JSON."""
    return write_text(path, canonical(value), mode=mode)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an empty one when the file is missing, broken or no file: a device or a pipe never ends."""
    try:
        value = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (OSError, RecursionError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
