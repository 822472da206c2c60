"""The layers of a project's own files: one, or several large ones, of which only those that changed are made."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from stepladder.core import files
from stepladder.images.context.archive import Layer, write_layer
from stepladder.images.context.files import Entry
from stepladder.images.context.hashes import ContentHashes
from stepladder.images.context.split import split
from stepladder.images.key import BUILDER_VERSION


def layers(entries: Sequence[Entry], cache: Path, hashes: ContentHashes) -> list[Layer]:
    """Write the layers into `cache`, or take them from there. `hashes` knows files that were read before."""
    parts = split(entries)
    if len(parts) == 1:
        return [write_layer(parts[0], "", cache / "blobs")]
    return [_layer(part, cache, hashes) for part in parts]


def _layer(entries: Sequence[Entry], cache: Path, hashes: ContentHashes) -> Layer:
    key = _key(entries, hashes)
    note = cache / "layers" / f"{key}.json"
    kept = _kept(note, cache / "blobs")
    if kept:
        note.touch()
        return kept
    layer = write_layer(entries, "", cache / "blobs")
    if _key(entries, hashes) == key:  # else the layer holds what somebody wrote meanwhile
        files.write_json(note, {**asdict(layer), "path": layer.path.name})
    return layer


def _key(entries: Sequence[Entry], hashes: ContentHashes) -> str:
    """Return the hash of all that decides a layer's bytes."""
    total = hashlib.sha256(str(BUILDER_VERSION).encode())
    for entry in entries:
        read = not entry.folder and not entry.link
        facts = (entry.path, entry.executable, entry.link, entry.folder, entry.mode, entry.owner)
        total.update(repr((*facts, hashes.of(entry) if read else b"")).encode())
    return total.hexdigest()


def _kept(note: Path, blobs: Path) -> Layer | None:
    saved = files.read_json(note)
    try:
        layer = Layer(**{**saved, "path": blobs / str(saved["path"])})
    except (KeyError, TypeError):
        return None
    return layer if layer.used() else None
