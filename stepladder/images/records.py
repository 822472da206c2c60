"""`.stepladder/image.json`: which image this machine last saw for which inputs, one for each registry.

A note to save work, never the truth: it is used only once the registry has said that it still holds the digest.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from typing import Any

from stepladder.aws import endpoint
from stepladder.images.model import BuiltImage
from stepladder.names import Names
from stepladder.settings import Settings


def load(settings: Settings, names: Names) -> BuiltImage | None:
    """Return the image noted for this registry, or None."""
    with contextlib.suppress(KeyError, TypeError):
        return BuiltImage.from_record(_all(settings)[_registry(names)])
    return None


def save(settings: Settings, names: Names, image: BuiltImage) -> None:
    """Note the image for this registry."""
    path = settings.build_dir / "image.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    noted = {**_all(settings), _registry(names): asdict(image)}
    partial = path.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps(noted, indent=2, sort_keys=True))
    partial.replace(path)


def _all(settings: Settings) -> dict[str, Any]:
    try:
        found = json.loads((settings.build_dir / "image.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _registry(names: Names) -> str:
    return f"{endpoint() or 'aws'} {names.registry}/{names.repository}"
