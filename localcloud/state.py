"""Keep the cloud's state in a folder: Moto's backends and what services save, all of one moment, in one file.

Calls are kept out while it is made, and it is written whole and renamed: a killed process leaves the last good one.
What can't be kept is named and left out. Nothing else is lost for it. A file that others may write isn't read.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import os
import stat
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from localcloud import snapshot
from localcloud.cloud import Cloud
from localcloud.http.call_gate import CallGate
from stepladder.core.errors import StepladderError

FORMAT = 2
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_CLOSE_SECONDS = 5.0  # how long a moment is waited for in which no call is under way


class SavedState:
    """The state of one cloud under `folder`. `gate` is what its calls pass."""

    def __init__(self, cloud: Cloud, folder: Path, gate: CallGate) -> None:
        self._cloud = cloud
        self._folder = folder
        self._gate = gate
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._saved_at = -1

    @property
    def file(self) -> Path:
        """The one file."""
        return self._folder / "state.zip"

    def load(self) -> None:
        """Restore what was saved. What another version wrote, or others may have written, is refused."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for path in (self._folder, self.file):
            _check_own_state(path)
        _check_format(self._folder)
        if not self.file.exists():
            return
        try:
            with zipfile.ZipFile(self.file) as archive:
                for name in sorted(archive.namelist()):  # Moto's backends first: m comes before p
                    kind, _, of = name.partition("-")
                    value = snapshot.load(archive.read(name))
                    if kind == "moto":
                        _load_backend(of, value)
                    elif of in self._cloud.loaders:
                        self._cloud.loaders[of](value)
        except (zipfile.BadZipFile, snapshot.ForbiddenError) as error:
            raise StepladderError(
                f"{self.file} can't be read: {error}",
                kind="local-cloud-data",
                hint="remove the folder, or give `--data` another one",
            ) from error

    def save(self) -> list[str]:
        """Write everything. Return what could not be kept."""
        lost: list[str] = []
        with self._lock:
            with self._gate.closed(_CLOSE_SECONDS) as is_closed:
                if not is_closed:
                    lost = [f"everything since the last time: calls were under way for {_CLOSE_SECONDS:.0f} s"]
                else:
                    parts = self._parts(lost)
            if is_closed:
                self._write(parts)
        for reason in lost:
            sys.stderr.write(f"state not kept: {reason}\n")
        return lost

    def _parts(self, lost: list[str]) -> dict[str, bytes]:
        savers: dict[str, Callable[[], Any]] = {f"plugin-{name}": save for name, save in self._cloud.savers.items()}
        for backend in _backends():
            savers[f"moto-{backend.service_name}"] = functools.partial(_contents, backend)
        parts: dict[str, bytes] = {}
        for name, value in savers.items():
            for left in range(4, -1, -1):
                try:
                    parts[name] = snapshot.dump(value())
                    break
                except Exception as error:  # noqa: BLE001 - pickling raises anything; it is reported by name
                    if not left or not isinstance(error, RuntimeError):  # RuntimeError: a thread of ours changed it
                        lost.append(f"{name}: {type(error).__name__}: {error}")
                        break
        return parts

    def _write(self, parts: dict[str, bytes]) -> None:
        temporary = self.file.with_suffix(".new")
        with open(temporary, "wb", opener=_private) as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                for name, data in parts.items():
                    archive.writestr(name, data)
            file.flush()
            os.fsync(file.fileno())
        (self._folder / "format").write_text(_stamp())
        temporary.replace(self.file)

    def save_in_background(self, changes: Callable[[], int], interval: float = 5.0) -> None:
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


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _check_own_state(path: Path) -> None:
    if not path.exists():
        return
    status = path.lstat()
    if hasattr(os, "getuid") and status.st_uid != os.getuid():
        raise StepladderError(
            f"{path} belongs to another user", kind="local-cloud-data", hint="give `--data` a folder of your own"
        )
    if status.st_mode & _OTHERS_WRITE or stat.S_ISLNK(status.st_mode):
        raise StepladderError(
            f"others than you may write to {path}",
            kind="local-cloud-data",
            hint=f"`chmod go-w {path}`, or give `--data` a folder of your own",
        )


def _check_format(folder: Path) -> None:
    stamp = folder / "format"
    if any(folder.glob("*.pickle")):
        raise StepladderError(
            f"{folder} was written by an older version",
            kind="local-cloud-data",
            hint="remove the folder, or give `--data` another one",
        )
    if stamp.exists() and stamp.read_text() != _stamp():
        raise StepladderError(
            f"{folder} was written by {stamp.read_text().strip()}, and this is {_stamp().strip()}",
            kind="local-cloud-data",
            hint="remove the folder, or give `--data` another one",
        )
    if (folder / "state.zip").exists() and not stamp.exists():
        raise StepladderError(
            f"{folder} doesn't say what wrote it",
            kind="local-cloud-data",
            hint="remove the folder, or give `--data` another one",
        )


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


def _load_backend(service: str, saved: dict[str, dict[str, Any]]) -> None:
    from moto.backends import get_backend

    backend: Any = get_backend(service)
    for account, regions in saved.items():
        for region, contents in regions.items():
            if snapshot.lacks_factories(contents):
                snapshot.restore(contents, type(contents)(contents.region_name, contents.account_id))
            dict.__setitem__(backend[account], region, contents)
