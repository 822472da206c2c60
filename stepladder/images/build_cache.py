"""`.stepladder/image.json`: which image this machine last saw for which inputs, for each registry and each image.

A note to save work, never the truth: it is used only once the registry has said that it still holds the digest.
"""

from __future__ import annotations

import contextlib
import threading
from dataclasses import asdict
from pathlib import Path

from stepladder.core import files
from stepladder.core.aws import endpoint
from stepladder.core.names import Names
from stepladder.images import shared
from stepladder.images.model import BuiltImage
from stepladder.settings.load import Settings

_WRITING = threading.Lock()
"""Several images may be built at once; another process may lose a note, and makes one more call then."""


def load(settings: Settings, names: Names) -> BuiltImage | None:
    """Return the image noted for this registry, or None."""
    with contextlib.suppress(KeyError, TypeError):
        return BuiltImage.from_record(files.read_json(_file(settings))[_slot(settings, names)])
    return None


def save(settings: Settings, names: Names, image: BuiltImage) -> None:
    """Note the image for this registry."""
    with _WRITING:
        noted = files.read_json(_file(settings))
        files.write_json(_file(settings), {**noted, _slot(settings, names): asdict(image)})


def _file(settings: Settings) -> Path:
    return settings.build_dir / "image.json"


def _slot(settings: Settings, names: Names) -> str:
    """Name a registry, and in it the image by what defines it, unless it is the project's own."""
    registry = f"{endpoint() or 'aws'} {names.registry}/{names.repository}"
    if shared.is_project_image(settings):
        return registry
    image = settings.image
    return f"{registry} {image.context} {image.builder} {image.base}".rstrip()
