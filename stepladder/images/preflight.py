"""Check the files before an image is built of them: what no build would make better."""

from __future__ import annotations

from collections.abc import Callable

from stepladder.images import configured_handlers, shared
from stepladder.images.context import lfs, python_syntax
from stepladder.images.context.files import collect
from stepladder.images.dockerfile import read
from stepladder.images.key import build_arguments
from stepladder.settings.load import Settings


def check(settings: Settings, say: Callable[[str], None], *, take_pointers: bool) -> None:
    """Raise `RefusedError` for Git LFS pointers in place of files, `BadInputError` for a handler that can't be loaded.

    `take_pointers`: `say` hears of pointers, and they are taken.
    """
    context = shared.context(settings)
    entries = collect(context)
    if pointers := lfs.pointers(entries):
        if not take_pointers:
            raise lfs.refused(pointers, settings.lowest)
        say(lfs.refused(pointers, settings.lowest).message)
    handler = read.outline(context / "Dockerfile", build_arguments(settings)).handler
    configured = shared.configured(settings)
    configured_handlers.check(settings, entries, handler, configured)
    names = [each.name for each in configured]
    python_syntax.check(entries, handler, settings.python, settings.image.context, say, names)
