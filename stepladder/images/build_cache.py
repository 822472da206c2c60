"""`.stepladder/image.json`: which image this machine last saw for which inputs, one for each registry.

A note to save work, never the truth: it is used only once the registry has said that it still holds the digest.
"""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from pathlib import Path

from stepladder.core import files
from stepladder.core.aws import endpoint
from stepladder.core.names import Names
from stepladder.images.model import BuiltImage
from stepladder.settings.load import Settings


def load(settings: Settings, names: Names) -> BuiltImage | None:
    """Return the image noted for this registry, or None."""
    with contextlib.suppress(KeyError, TypeError):
        return BuiltImage.from_record(files.read_json(_file(settings))[_registry(names)])
    return None


def save(settings: Settings, names: Names, image: BuiltImage) -> None:
    """Note the image for this registry."""
    files.write_json(_file(settings), {**files.read_json(_file(settings)), _registry(names): asdict(image)})


def _file(settings: Settings) -> Path:
    return settings.build_dir / "image.json"


def _registry(names: Names) -> str:
    return f"{endpoint() or 'aws'} {names.registry}/{names.repository}"
