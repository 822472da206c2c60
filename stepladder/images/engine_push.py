"""Push an image out of a Docker engine: the engine sends what is missing, we ask again when it gives up.

An engine fails for good on one 500 or 429 at the manifest (seen with `docker push` 28.2), though pushing again is safe:
blobs are named by their content and the tag moves last.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stepladder.errors import RefusedError
from stepladder.images import engine_build
from stepladder.images.retry import RegistryError

_ATTEMPTS = 6
_LONGEST = 8.0  # seconds between two attempts, at most
_FINAL = ("denied", "unauthorized", "no basic auth", "immutable", "name unknown", "not found", "invalid")


def push(
    image: engine_build.EngineImage,
    target: str,
    tag: str,
    login: Callable[[], tuple[str, str]],
    progress: Callable[[str], None],
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Push to `target` (`host/repository`) under `tag`. Credentials go to the engine in a header, nowhere else.

    Raises `RefusedError` when the registry says no, `RegistryError` when it fails for good.
    """
    with engine_build.client() as engine:
        engine.api.tag(image.id, target, tag)
        said = ""
        for attempt in range(_ATTEMPTS):
            user, password = login()
            events = engine.api.push(
                target, tag, auth_config={"username": user, "password": password}, stream=True, decode=True
            )
            said = _follow(events, progress)
            if not said:
                return
            if any(word in said.lower() for word in _FINAL):
                raise RefusedError(f"{target} doesn't take the image: {said}", hint="see the registry's permissions")
            progress(f"attempt {attempt + 2}, the registry said: {said}")
            sleep(random.uniform(0, min(_LONGEST, 0.5 * 2**attempt)))  # noqa: S311 - full jitter, no secret
    raise RegistryError(f"{target} did not take the image after {_ATTEMPTS} attempts: {said}")


def _follow(events: Iterator[Mapping[str, Any]], progress: Callable[[str], None]) -> str:
    """Show each layer's progress; return the engine's error, or an empty string."""
    layers: dict[str, tuple[int, int]] = {}
    for event in events:
        if "error" in event:
            return str(event["error"])
        detail = event.get("progressDetail") or {}
        if "id" in event and "total" in detail:
            layers[event["id"]] = (min(int(detail["current"]), int(detail["total"])), int(detail["total"]))
            sent, total = (sum(column) / 1e6 for column in zip(*layers.values(), strict=True))
            progress(f"sent {sent:.1f} of {total:.1f} MB in {len(layers)} layers")
    return ""
