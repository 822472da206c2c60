"""`.stepladder/handlers.json`: which handlers the images of which inputs were seen to hold, on this machine.

The handler of a function is no input of its image, so that a build can't be the only time at which it is checked. A
note saves building an image again only to check a handler in it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from pathlib import Path

from stepladder.core import files
from stepladder.settings.load import Settings

_KEPT = 500
"""Images, the newest last."""
_WRITING = threading.Lock()


def handlers(settings: Settings, key: str) -> frozenset[str]:
    """Return the handlers that the image of an input key is known to hold."""
    return _read(settings).get(key, frozenset())


def note(settings: Settings, key: str, names: Iterable[str]) -> None:
    """Note that the image of an input key holds these handlers."""
    fresh = frozenset(names)
    if not fresh:
        return
    with _WRITING:
        noted = _read(settings)
        noted[key] = noted.pop(key, frozenset()) | fresh
        kept = list(noted.items())[-_KEPT:]
        files.write_json(_file(settings), {"images": [[each, sorted(held)] for each, held in kept]})


def _read(settings: Settings) -> dict[str, frozenset[str]]:
    noted = files.read_json(_file(settings)).get("images")
    pairs = noted if isinstance(noted, list) else []
    try:
        return {str(key): frozenset(map(str, held)) for key, held in pairs}
    except (TypeError, ValueError):
        return {}


def _file(settings: Settings) -> Path:
    return settings.build_dir / "handlers.json"
