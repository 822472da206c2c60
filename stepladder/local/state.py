"""Keep the cloud's state in a folder: Moto's backends and what plugins save, pickled, one file each.

Written whole and renamed, so that a killed process leaves the last good one. A backend that can't be pickled is named
and left out; nothing else is lost for it. Pickles are read back only from a folder that this user owns.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import os
import pickle
import sys
import threading
import types
from pathlib import Path
from typing import Any

from stepladder.errors import StepladderError
from stepladder.local.cloud import Cloud

FORMAT = 1


class _Pickler(pickle.Pickler):
    """Leave out what belongs to the process and not to the state: locks, threads, generators."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, _LOCK_TYPES):
            return type(value) if value.__class__.__module__ == "threading" else _KINDS[type(value)], ()
        if isinstance(value, types.GeneratorType | threading.Thread):
            return _nothing, ()
        return NotImplemented


def _nothing() -> None:
    return None


_KINDS: dict[type, Any] = {type(threading.Lock()): threading.Lock, type(threading.RLock()): threading.RLock}
_LOCK_TYPES = (*_KINDS, threading.Event, threading.Condition, threading.Semaphore)


class State:
    """The state of one cloud under `folder`."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._saved_at = -1

    def load(self) -> None:
        """Put back what was saved; a folder of another format or owner is refused."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stamp = self._folder / "format"
        if hasattr(os, "getuid") and self._folder.stat().st_uid != os.getuid():
            raise StepladderError(
                f"{self._folder} belongs to another user", hint="give --data a folder of your own; it is unpickled"
            )
        ours = _stamp()
        if stamp.exists() and stamp.read_text() != ours:
            raise StepladderError(
                f"{self._folder} was written by {stamp.read_text().strip()}, and this is {ours.strip()}",
                hint="remove the folder, or give --data another one",
            )
        stamp.write_text(ours)
        for path in sorted(self._folder.glob("moto-*.pickle")):
            _load_backend(path)
        for name, load in self._cloud.loaders.items():
            path = self._folder / f"plugin-{name}.pickle"
            if path.exists():
                load(pickle.loads(path.read_bytes()))  # noqa: S301 - our own file, owner checked above

    def save(self) -> list[str]:
        """Write everything; return what could not be kept."""
        lost: list[str] = []
        with self._lock:
            for name, save in self._cloud.savers.items():
                self._write(f"plugin-{name}", save, lost)
            for backend in _backends():
                self._write(f"moto-{backend.service_name}", lambda b=backend: _contents(b), lost)
        for reason in lost:
            sys.stderr.write(f"state not kept: {reason}\n")
        return lost

    def keep(self, name: str) -> None:
        """Write what one plugin keeps, now."""
        with self._lock:
            self._write(f"plugin-{name}", self._cloud.savers[name], [])

    def _write(self, name: str, value: Any, lost: list[str]) -> None:
        for left in range(4, -1, -1):
            buffer = io.BytesIO()
            try:
                _Pickler(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value())
                break
            except Exception as error:  # noqa: BLE001 - pickling raises anything; it is reported by name
                if not left or not isinstance(error, RuntimeError):  # RuntimeError: it changed meanwhile, try again
                    lost.append(f"{name}: {type(error).__name__}: {error}")
                    return
        path = self._folder / f"{name}.pickle"
        temporary = path.with_suffix(".new")
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)

    def save_in_background(self, changes: Any, interval: float = 5.0) -> None:
        """Save every `interval` seconds while `changes()` (a number) goes on growing."""

        def loop() -> None:
            while not self._stop.wait(interval):
                count = changes()
                if count != self._saved_at:
                    self._saved_at = count
                    with contextlib.suppress(OSError):
                        self.save()

        threading.Thread(target=loop, daemon=True, name="save-state").start()

    def stop(self) -> None:
        """End the background saving and save a last time."""
        self._stop.set()
        self.save()


def _stamp() -> str:
    versions = " ".join(f"{name} {importlib.metadata.version(name)}" for name in ("stepladder", "moto"))
    return f"format {FORMAT}, {versions}\n"


def _backends() -> list[Any]:
    if "moto.core.base_backend" not in sys.modules:
        return []
    from moto.core.base_backend import BackendDict

    return list(BackendDict._instances)  # noqa: SLF001 - Moto offers no other list of what is in use


def _contents(backend: Any) -> dict[str, dict[str, Any]]:
    return {account: dict(regions.items()) for account, regions in backend.items()}


def _load_backend(path: Path) -> None:
    from moto.backends import get_backend

    service = path.stem.removeprefix("moto-")
    saved = pickle.loads(path.read_bytes())  # noqa: S301 - our own file, owner checked by the caller
    backend: Any = get_backend(service)
    for account, regions in saved.items():
        for region, contents in regions.items():
            dict.__setitem__(backend[account], region, contents)
