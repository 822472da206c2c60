"""The process launcher: a function's code in a process of this machine, under a Python of the version that it wants.

No container: the file system is the host's, and the memory limit is enforced by looking (see docs/decisions). What
is Lambda's own is kept: the runtime client, the environment variables and nothing of the host's, the task root as the
working folder, one module path.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from localcloud.launchers import pythons, runtime_client, unpack
from localcloud.launchers.interface import Ended, ImageCode, LaunchError, SandboxSpec, ZipCode
from localcloud.launchers.process_sandbox import ProcessSandbox
from stepladder.core.image_facts import HOST_BASE, LABEL_BASE, machine

_ENTRY_POINT = "/lambda-entrypoint.sh"
_MAIN = Path(__file__).with_name("sandbox_main.py")


class Blobs(Protocol):
    """The part of the image store that a launcher reads."""

    def manifest(self, repository: str, digest: str) -> dict[str, Any]:
        """Return an image manifest, parsed. Raises `KeyError` when there is none."""

    def blob(self, repository: str, digest: str) -> Path:
        """Return the file that holds a blob. Raises `KeyError` when there is none."""


_DEFAULT_FOLDERS = {"", "/var/task", "/var/runtime"}  # they are on the path anyway


@dataclass(frozen=True)
class _Prepared:
    """What the interpreter is started with."""

    version: str
    handler: str
    task_root: Path
    runtime: Path
    working_directory: Path
    environment: Mapping[str, str]
    root: Path | None = None
    """Where an image was unpacked to."""

    def inside(self, path: str) -> str:
        """Return where a path of the function's file system lies on this machine."""
        if path.startswith("/var/task/"):
            return str(self.task_root / path.removeprefix("/var/task/"))
        unpacked = self.root / path.lstrip("/") if self.root and path.startswith("/") else None
        return str(unpacked) if unpacked and unpacked.exists() else path

    def packages(self) -> list[str]:
        """Return what pip installed beside the base's Python, of which this machine's takes the place."""
        folder = self.root / "var/lang/lib" / f"python{self.version}" / "site-packages" if self.root else None
        return [str(folder)] if folder and folder.is_dir() else []


class ProcessLauncher:
    """Starts sandboxes as processes. `folder` holds what is unpacked, for as long as the images live."""

    name = "process"
    host = "127.0.0.1"

    def __init__(self, folder: Path, blobs: Blobs | None) -> None:
        self._folder = folder
        self._blobs = blobs
        self._running: set[ProcessSandbox] = set()
        self._lock = threading.Lock()
        # Linux ends a child with PR_SET_PDEATHSIG when the *thread* that made it ends: one thread makes them all
        self._spawner = ThreadPoolExecutor(1, thread_name_prefix="spawner")

    def refusal(self, spec: SandboxSpec) -> str:
        """Say why the code can't run here: an image on a real Linux base needs a container."""
        if isinstance(spec.code, ZipCode):
            return ""
        base = self._base(spec.code)
        if base.startswith(HOST_BASE):
            return ""
        return (
            "the process launcher runs images on the base host-python only, and this one is on "
            f"{base or 'another base'}: use the container launcher, which needs a Docker engine"
        )

    def lacks(self, spec: SandboxSpec) -> str:
        """Say which Python an image wants that this machine doesn't have. Only for what `refusal` has let through."""
        if isinstance(spec.code, ZipCode):
            return ""  # runs on the nearest
        return pythons.lacks(self._base(spec.code).removeprefix(HOST_BASE))

    def prepare(self, spec: SandboxSpec) -> None:
        """Unpack the code ahead of the first start. The start reports what can't be unpacked."""
        with contextlib.suppress(LaunchError, unpack.UnpackError):
            if not self.refusal(spec):
                self._prepared(spec)

    def start(
        self, spec: SandboxSpec, *, on_line: Callable[[str], None], on_end: Callable[[Ended], None]
    ) -> ProcessSandbox:
        """Start a process. Raises `LaunchError`."""
        if refusal := self.refusal(spec):
            raise LaunchError("Runtime.InvalidEntrypoint", refusal)
        try:
            prepared = self._prepared(spec)
        except unpack.UnpackError as error:
            raise LaunchError("Runtime.InvalidEntrypoint", str(error)) from None
        python = pythons.find(prepared.version)
        if isinstance(spec.code, ZipCode) and spec.code.runtime != f"python{prepared.version}":
            on_line(f"local cloud: {spec.code.runtime} isn't on this machine, this runs on Python {prepared.version}")
        home = self._folder / "sandboxes" / spec.name
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        argv = [str(python), "-S", str(_MAIN), str(os.getpid()), prepared.handler]
        environment = self._environment(spec, prepared, home)
        if not prepared.working_directory.is_dir():
            raise LaunchError(
                "Runtime.InvalidWorkingDir", f"chdir {prepared.working_directory}: no such file or directory"
            )
        sandbox = ProcessSandbox(home, on_line, on_end, self._forget)
        with self._lock:
            self._running.add(sandbox)
        try:
            self._spawner.submit(sandbox.spawn, argv, environment, prepared.working_directory).result()
        except (OSError, RuntimeError) as error:
            self._forget(sandbox)
            raise LaunchError("Runtime.InvalidEntrypoint", f"fork/exec {python}: {error}") from None
        return sandbox

    def close(self) -> None:
        """Kill every process that this launcher started and wait for them."""
        with self._lock:
            running = list(self._running)
        for sandbox in running:
            sandbox.kill()
        for sandbox in running:
            sandbox.ended.wait(5)
        self._spawner.shutdown(wait=False)

    def _forget(self, sandbox: ProcessSandbox) -> None:
        with self._lock:
            self._running.discard(sandbox)
        shutil.rmtree(sandbox.home, ignore_errors=True)

    def _prepared(self, spec: SandboxSpec) -> _Prepared:
        return self._zip(spec.code) if isinstance(spec.code, ZipCode) else self._image(spec.code)

    def _zip(self, code: ZipCode) -> _Prepared:
        version = pythons.nearest(code.runtime.removeprefix("python"))
        root = unpack.once(self._folder / "zips" / code.sha256, lambda fresh: unpack.zip_file(code.path, fresh))
        runtime = runtime_client.client(pythons.find(version), version, self._folder / "runtime")
        return _Prepared(
            version, code.handler, root, runtime, root, {"AWS_EXECUTION_ENV": f"AWS_Lambda_{code.runtime}"}
        )

    def _image(self, code: ImageCode) -> _Prepared:
        manifest, config = self._config(code)
        settings = config.get("config", {})
        # Such an image is of its machine's architecture, whatever the function's is said to be
        if config.get("architecture") != machine():
            raise LaunchError("Runtime.InvalidEntrypoint", f"fork/exec {_ENTRY_POINT}: exec format error")
        version = settings["Labels"][LABEL_BASE].removeprefix(HOST_BASE)
        entry_point = [*(code.entry_point or settings.get("Entrypoint") or ())]
        if entry_point != [_ENTRY_POINT]:
            raise LaunchError(
                "Runtime.InvalidEntrypoint", f"the process launcher has no entry point but {_ENTRY_POINT}"
            )
        command = [*(code.command or settings.get("Cmd") or ())]
        if len(command) != 1:
            raise LaunchError(
                "Runtime.InvalidEntrypoint", "entrypoint requires the handler name to be the first argument"
            )
        blobs = self._blobs
        assert blobs is not None  # noqa: S101 - _config has used it

        def apply(fresh: Path) -> None:
            try:
                unpack.layers([blobs.blob(code.repository, layer["digest"]) for layer in manifest["layers"]], fresh)
            except KeyError as error:
                raise unpack.UnpackError(f"the registry lacks {error}") from None

        root = unpack.once(self._folder / "images" / code.digest.replace(":", "-"), apply)
        task = root / "var" / "task"
        folder = code.working_directory or settings.get("WorkingDir") or "/var/task"
        image = dict(line.split("=", 1) for line in settings.get("Env") or () if "=" in line)
        image["AWS_EXECUTION_ENV"] = f"AWS_Lambda_python{version}"
        working_directory = root / folder.strip("/")
        return _Prepared(version, command[0], task, root / "var" / "runtime", working_directory, image, root)

    def _base(self, code: ImageCode) -> str:
        settings = self._config(code)[1].get("config") or {}
        return str((settings.get("Labels") or {}).get(LABEL_BASE, ""))  # an engine writes null for no labels

    def _config(self, code: ImageCode) -> tuple[dict[str, Any], dict[str, Any]]:
        if self._blobs is None:
            raise LaunchError("Runtime.InvalidEntrypoint", "there is no image store")
        try:
            manifest = self._blobs.manifest(code.repository, code.digest)
            config: dict[str, Any] = json.loads(
                self._blobs.blob(code.repository, manifest["config"]["digest"]).read_bytes()
            )
        except (KeyError, ValueError, OSError):
            raise LaunchError(
                "ImageDeleted", f"the image {code.repository}@{code.digest} isn't in the registry"
            ) from None
        return manifest, config

    def _environment(self, spec: SandboxSpec, prepared: _Prepared, home: Path) -> dict[str, str]:
        own = {**prepared.environment, **spec.environment}
        sdk = runtime_client.sdk(self._folder / "runtime")
        path = [prepared.inside(p) for p in own.get("PYTHONPATH", "").split(":") if p not in _DEFAULT_FOLDERS]
        return {
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            **own,
            "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
            "HOME": str(home),  # else the SDK would read the host's ~/.aws
            "TMPDIR": str(home / "tmp"),
            "LAMBDA_TASK_ROOT": str(prepared.task_root),
            "LAMBDA_RUNTIME_DIR": str(prepared.runtime),
            "_HANDLER": prepared.handler,
            "PYTHONPATH": ":".join(
                [*path, str(prepared.task_root), str(prepared.runtime), str(sdk), *prepared.packages()]
            ),
        }
