"""Push an image out of a Docker engine: the engine sends what is missing, we ask again when it gives up.

An engine fails for good on one 500 or 429 at the manifest (seen with `docker push` 28.2), though pushing again is safe:
blobs are named by their content and the tag moves last.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from stepladder.core.errors import RefusedError
from stepladder.core.retry import Again, RegistryError, attempts, guard
from stepladder.images.docker import build
from stepladder.images.model import EngineImage
from stepladder.images.progress import follow

# An engine passes on the registry's words and no code
_CREDENTIALS = ("denied", "unauthorized", "no basic auth", "authorization token", "forbidden")
_IMMUTABLE = "immutable"


class TagExistsError(RefusedError):
    """The tag holds an image already and may not move."""

    kind = "tag-taken"


def push(
    image: EngineImage,
    target: str,
    tag: str,
    login: Callable[[], tuple[str, str]],
    progress: Callable[[str], None],
    *,
    known: tuple[str, str] | None = None,
) -> None:
    """Push to `target` (`host/repository`) under `tag`. Credentials go to the engine in a header, nowhere else.

    `login` asks for user and password, and is asked before each attempt; at the first, `known` ones will do.

    Raises `TagExistsError` for an immutable tag, `RefusedError` when the credentials don't do, `RegistryError` when the
    registry fails for good.
    """
    renewed = False
    with build.client() as engine:
        engine.api.tag(image.id, target, tag)
        for attempt in attempts(f"pushing {tag}"):
            with guard(attempt, target):
                message = _once(engine, target, tag, known or login(), progress)
                known = None
                if not message:
                    return
                low = message.lower()
                if _IMMUTABLE in low:
                    raise TagExistsError(f"{target}:{tag} exists and may not move: {message}")
                if any(word in low for word in _CREDENTIALS):
                    if renewed:
                        raise RefusedError(
                            f"{target} doesn't take the image: {message}",
                            kind="aws-denied",
                            hint="the credentials may not do this: check the role's `ecr:*` permissions "
                            "and the account under `stepladder.environments`",
                        )
                    renewed = True  # a token may have expired on the way: one more, with a new one
                progress(f"attempt {attempt.number + 1}, the registry said: {message}")
                raise Again(f"{target} doesn't take the image: {message}")
    raise RegistryError(f"{target} doesn't take the image")


def _once(engine: Any, target: str, tag: str, credentials: tuple[str, str], progress: Callable[[str], None]) -> str:
    user, password = credentials
    events = engine.api.push(
        target, tag, auth_config={"username": user, "password": password}, stream=True, decode=True
    )
    return follow(events, "sent", progress)
