"""Which functions of a project run an image: several may share one, each with a handler of its own.

An image is what its settings say (`context`, `builder`, `base`). The handler is no part of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from stepladder.core.errors import BadInputError
from stepladder.core.records import dataclass
from stepladder.images.context import shown
from stepladder.settings import functions
from stepladder.settings.load import Settings


@dataclass(frozen=True)
class ConfiguredHandler:
    """A handler that the settings name, in place of the image's CMD. `setting` is its key under `stepladder`."""

    name: str
    function: str
    setting: str

    @property
    def words(self) -> str:
        """The handler for a message: what it is, whose, and where it stands."""
        function = f"function {self.function}" if self.function else "the function"
        return f"the handler {self.name} of {function} (`stepladder.{self.setting}`)"


def context(settings: Settings) -> Path:
    """Return the folder of an image's files. Raises `BadInputError`, which names the setting, when there is none."""
    folder = settings.root / settings.image.context
    if not folder.is_dir():
        own = settings.name_of_function if settings.image.context != settings.whole.image.context else ""
        setting = functions.key(own, "image.context")
        raise BadInputError(
            f"there is no folder {shown.name(folder)}/ to build the image from",
            kind="build-context",
            hint=f"`{setting}` names it, relative to `invoke.yaml`",
        )
    return folder


def is_project_image(settings: Settings) -> bool:
    """Say whether the image is that of the project's own function, which a named function may run too."""
    return any(not name and view.image == settings.image for name, view in _views(settings))


def configured(settings: Settings) -> tuple[ConfiguredHandler, ...]:
    """Return each handler that the settings name for this image, in any function and environment, once."""
    handlers = dict[str, ConfiguredHandler]()
    for name, view in _views(settings):
        for handler in _of(name, view) if view.image == settings.image else ():
            handlers.setdefault(handler.name, handler)
    return tuple(handlers.values())


def _views(settings: Settings) -> list[tuple[str, Settings]]:
    whole = settings.whole
    return [(name, whole.of_function(name)) for name in whole.function_names]


def _of(name: str, view: Settings) -> Iterator[ConfiguredHandler]:
    start = f"functions.{name}." if name else ""
    if view.function.handler:
        yield ConfiguredHandler(view.function.handler, name, f"{start}function.handler")
    for environment in view.environments.values():
        handler = environment.function.handler
        if handler and handler != view.function.handler:
            yield ConfiguredHandler(handler, name, f"{start}environments.{environment.name}.function.handler")
