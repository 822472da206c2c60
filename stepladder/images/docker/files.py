"""What lies in an image that an engine built, read without running it."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from stepladder.images.context.files import collect
from stepladder.images.dockerfile import handlers
from stepladder.images.model import distributions
from stepladder.images.shared import ConfiguredHandler


def check_handler(
    engine: Any, image: Any, handler: str, python: str, root: Path, configured: Sequence[ConfiguredHandler] = ()
) -> None:
    """Raise `BadInputError` when the image lacks a handler's module, or what it imports and the context has.

    `handler` is the image's own, `configured` are those that settings name.
    """
    environment = dict(line.partition("=")[::2] for line in image.attrs["Config"].get("Env") or ())
    searched = [*handlers.folders(environment, python), f"usr/local/lib/python{python}/site-packages"]
    container = engine.api.create_container(image.id, command=[handler])
    try:
        inside = _Inside(engine, container, searched, (entry.path for entry in collect(root)))
        if not inside.loads(handlers.module_of(handler)):
            raise handlers.missing(handler, f"/{searched[0]}", root, "doesn't hold")
        for each in configured:
            if not inside.loads(handlers.module_of(each.name)):
                raise handlers.missing_configured(each, handler, f"/{searched[0]}", root, "doesn't hold")
        for name in dict.fromkeys((handler, *(each.name for each in configured))):
            handlers.check_imports(name, inside, root)
    finally:
        engine.api.remove_container(container, force=True)


def distributions_of(engine: Any, image: Any, python: str) -> tuple[str, ...]:
    """Return the `.dist-info` folders where the image's Python searches for packages. Files are listed, not kept."""
    environment = dict(line.partition("=")[::2] for line in image.attrs["Config"].get("Env") or ())
    folders = [*handlers.folders(environment, python), f"usr/local/lib/python{python}/site-packages"]
    container = engine.api.create_container(image.id, command=["none"])
    try:
        listed = [path for folder in dict.fromkeys(folders) for path in _paths(engine, container, folder)]
    finally:
        engine.api.remove_container(container, force=True)
    return distributions(listed)


def _paths(engine: Any, container: Any, folder: str) -> Iterator[str]:
    """Yield the paths of the files below a folder of a container."""
    from docker.errors import NotFound

    try:
        stream = engine.api.get_archive(container, f"/{folder}")[0]
    except NotFound:
        return
    parent = folder.rpartition("/")[0]
    with tarfile.open(fileobj=_Stream(stream), mode="r|") as tar:
        for member in tar:
            yield f"{parent}/{member.name}".lstrip("/")


class _Stream(io.RawIOBase):
    """An iterator of bytes as a file that is read from its beginning to its end."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks, self._rest = iter(chunks), b""

    def read(self, size: int = -1) -> bytes:
        """Return so many bytes, fewer at the end."""
        pieces, have = [self._rest], len(self._rest)
        while have < size and (chunk := next(self._chunks, b"")):
            pieces.append(chunk)
            have += len(chunk)
        whole = b"".join(pieces)
        self._rest = whole[size:]
        return whole[:size]


class _Inside:
    """The Python modules of a container that doesn't run. What packages import among themselves is not read."""

    def __init__(self, engine: Any, container: Any, searched: list[str], context: Iterable[str]) -> None:
        self._engine, self._container, self._searched = engine, container, searched
        self._own = [f"/{path}" for path in context if path.endswith(".py")]
        self._read: dict[str, bytes] = {}

    def has(self, module: str) -> bool:
        """Say whether a module without a package can be imported; a folder is one too."""
        return any(self._archive(f"/{folder}/{module}") for folder in self._searched) or self.loads(module)

    def loads(self, module: str) -> bool:
        """Say whether there is a file of a module."""
        for folder in self._searched:
            if any(self._archive(f"/{folder}/{module}{end}") for end in (".py", "/__init__.py", ".pyc")):
                return True
        for folder in self._searched:
            parent, _, name = f"{folder}/{module}".rpartition("/")
            if handlers.holds(self._names(f"/{parent}"), name):
                return True
        return False

    def sources(self, module: str) -> list[tuple[str, str, bytes]]:
        """Return the files of a module that the context has too: where each lies, its path for Python, and its text.

        One in the task root keeps Python from any further folder, unless its package may be spread over several.
        """
        ends = [
            end for end in (f"{module}.py", f"{module}/__init__.py") if any(o.endswith(f"/{end}") for o in self._own)
        ]
        top, _, inner = module.partition("/")
        is_whole = not inner or any(path.endswith(f"/{top}/__init__.py") for path in self._own)
        contents: list[tuple[str, str, bytes]] = []
        for folder in self._searched:
            for path, end in ((f"{folder}/{end}", end) for end in ends):
                if data := self._archive(f"/{path}"):
                    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
                        contents += [(path, end, file.read()) for member in tar if (file := tar.extractfile(member))]
            if contents and is_whole:
                break
        return contents

    def _archive(self, path: str) -> bytes:
        """Return a path of the container as a tar, empty when there is none. An engine starts a program to make one."""
        from docker.errors import NotFound

        if path not in self._read:
            try:
                stream = self._engine.api.get_archive(self._container, path)[0]
                self._read[path] = b"".join(stream)  # read to its end, the connection is free again
            except NotFound:
                self._read[path] = b""
        return self._read[path]

    def _names(self, folder: str) -> list[str]:
        """Return what lies in a folder of the container."""
        data = self._archive(folder)
        if not data:
            return []
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            return [name.partition("/")[2] for name in tar.getnames()]
