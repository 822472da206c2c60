"""The input key: one hash of everything that decides the image, offline and in a few milliseconds.

Large files that didn't change since they were read last aren't read again (`context/hashes.py`).
"""

from __future__ import annotations

import hashlib

from stepladder.images import shared
from stepladder.images.context.files import collect
from stepladder.images.context.hashes import ContentHashes
from stepladder.settings.load import Settings

BUILDER_VERSION = 3
"""Raise it when the builders make other bytes of the same inputs."""

PUBLIC_BASE = "public.ecr.aws/lambda/python"


def base_reference(settings: Settings) -> str:
    """Return the base image of the project: `stepladder.image.base`, or AWS's own for the project's Python."""
    return settings.image.base or f"{PUBLIC_BASE}:{settings.python}"


def build_arguments(settings: Settings) -> dict[str, str]:
    """Return what the Dockerfile's `ARG` get, as far as it is known without asking for the base's digest."""
    return {"BASE_IMAGE": base_reference(settings), "PYTHON_VERSION": settings.python}


def content_hashes(settings: Settings) -> ContentHashes:
    """Return the hashes of an image's files that this machine has kept."""
    image = hashlib.sha256(settings.image.context.encode()).hexdigest()[:16]
    return ContentHashes(settings.build_dir / "cache" / "hashes" / f"{image}.json")


def input_key(settings: Settings) -> str:
    """Return the hex SHA-256 of all that decides the image.

    Context files after `.dockerignore` (path, executable bit, content; Dockerfile and requirements are among them),
    Python, architecture, the configured builder and the base as it is written. A base that is named by a tag counts by
    that name: when the tag moves, `inv image.push --pull` takes the new one in.
    """
    total = hashlib.sha256()

    def add(*parts: str | bytes) -> None:
        for part in parts:
            data = part.encode() if isinstance(part, str) else part
            total.update(len(data).to_bytes(8, "big"))
            total.update(data)

    add(str(BUILDER_VERSION), settings.python, settings.architecture)
    add(settings.image.builder, base_reference(settings))
    hashes = content_hashes(settings)
    for entry in collect(shared.context(settings)):
        add(entry.path, "link" if entry.link else "x" if entry.executable else "-")
        if entry.link:
            add(entry.link)
            continue
        add(hashes.of(entry))
    hashes.save()
    # Docker never copies these two when they are ignored, yet they decide what is built.
    for name in ("Dockerfile", ".dockerignore"):
        path = settings.root / settings.image.context / name
        add(name, path.read_bytes() if path.is_file() else b"")
    return total.hexdigest()
