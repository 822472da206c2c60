"""A debugger for the function that runs here: debugpy, which VS Code, PyCharm and others attach to.

It is the project's own debugpy, so that a project decides about its version and has none that it doesn't want.
"""

from __future__ import annotations

import contextlib
import filecmp
import importlib.util
import threading
from contextlib import AbstractContextManager
from pathlib import Path

from localcloud.launchers.interface import ImageCode, SandboxSpec
from localcloud.launchers.process import ProcessLauncher
from stepladder.core.errors import NotReadyError

PACKAGE = "debugpy"


class Debugger:
    """What the function needs to be debugged at `port`; 0 is no debugger. `context` is the folder of the sources."""

    def __init__(self, port: int, context: Path, scratch: Path) -> None:
        self._port, self._context, self._scratch = port, context, scratch
        self._lock = threading.Lock()
        if port:
            _link_package(scratch / "debugger")

    def variables(self) -> dict[str, str]:
        """Return the variables that the sandbox reads; it takes them out before the function sees any."""
        if not self._port:
            return {}
        return {"_DEBUG_PORT": str(self._port), "_DEBUGPY": str(self._scratch / "debugger")}

    def alone(self) -> AbstractContextManager[object]:
        """Hold others back while one call is under way: one process has the port."""
        return self._lock if self._port else contextlib.nullcontext()

    def link_sources(self, launcher: object, spec: SandboxSpec) -> None:
        """Put links to the sources in place of their copies, so that an editor's breakpoints are in the files that run.

        Files that the Dockerfile moves stay copies; an editor's path mapping can say where they are.
        """
        if not isinstance(launcher, ProcessLauncher) or not isinstance(spec.code, ImageCode):
            return
        launcher.prepare(spec)
        task = self._scratch / "images" / spec.code.digest.replace(":", "-") / "var" / "task"
        for source in self._context.rglob("*.py"):
            copy = task / source.relative_to(self._context)
            if copy.is_file() and not copy.is_symlink() and filecmp.cmp(source, copy, shallow=False):
                copy.unlink()
                copy.symlink_to(source.resolve())

    def refuse_container(self) -> None:
        """Raise `NotReadyError` where the function runs in a container, which has no debugger in it."""
        if self._port:
            raise NotReadyError(
                "the function runs in a container here, and its image has no debugger",
                kind="no-debugger",
                hint="build it without one: set `stepladder.image.builder` to layers, or "
                "`INVOKE_STEPLADDER_IMAGE_BUILDER=layers`",
            )


def _link_package(folder: Path) -> None:
    """Make a folder that holds debugpy and nothing else of this environment."""
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or spec.origin is None:
        raise NotReadyError(
            "there is no debugpy in this environment",
            kind="no-debugger",
            hint="add it: `uv add --dev debugpy`; or for once: `uv run --with debugpy inv serve --debug-port 5678`",
        )
    folder.mkdir()
    (folder / PACKAGE).symlink_to(Path(spec.origin).parent)
