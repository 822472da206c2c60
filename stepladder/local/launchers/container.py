"""The container launcher: an Image function started from the image as it was pushed, by digest, in a Docker engine.

What Lambda does is kept: memory limit, read-only file system but for /tmp, an unprivileged user, the environment and
nothing else. Containers are on the host's network, so that a Runtime API on loopback is reached; where the engine lives
in a virtual machine (Docker Desktop) loopback addresses become `host.docker.internal`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

from stepladder.local.launchers import Ended, ImageCode, LaunchError, SandboxSpec, ZipCode

LABEL = "dev.stepladder.cloud"  # its value is the pid of the cloud that started the container
USER = "993:990"  # AWS's sbx_user1051
_DEADLINE = 60
_KILLED = 137
_ARCHITECTURES = {"arm64": "arm64", "x86_64": "amd64"}


def engine_answers() -> str:
    """Return the version of the engine that the environment names, or an empty string when none answers."""
    from docker.errors import DockerException

    try:
        with contextlib.closing(_client(2)) as client:
            return str(client.version()["Version"])
    except (DockerException, OSError):
        return ""


def _client(timeout: int) -> Any:
    import docker

    return docker.DockerClient.from_env(timeout=timeout)


class ContainerLauncher:
    """Starts sandboxes as containers. `login` gives user and password for a registry; `blobs` isn't needed."""

    name = "container"
    host = "127.0.0.1"

    def __init__(self, login: Callable[[ImageCode], Mapping[str, str]]) -> None:
        self._login = login
        self._docker = _client(_DEADLINE)
        self._running: set[_Container] = set()
        self._lock = threading.Lock()
        self._pulls: dict[str, threading.Lock] = {}
        self._remove_orphans()

    def refusal(self, spec: SandboxSpec) -> str:
        """Say why the code can't run here: a zip has no image, and an image on host-python has no Python in it."""
        if isinstance(spec.code, ZipCode):
            return "the container launcher runs images, and this is a deployment package"
        labels = self._pull(spec.code).labels or {}
        if labels.get("dev.stepladder.base", "").startswith("host-python:"):
            return "this image is on the base host-python, which only the process launcher can run"
        return ""

    def start(
        self, spec: SandboxSpec, *, on_line: Callable[[str], None], on_end: Callable[[Ended], None]
    ) -> _Container:
        """Start a container. Raises `LaunchError`."""
        from docker.errors import APIError

        if refusal := self.refusal(spec):
            raise LaunchError("Runtime.InvalidEntrypoint", refusal)
        assert isinstance(spec.code, ImageCode)  # noqa: S101 - refusal has looked
        image = self._pull(spec.code)
        if image.attrs["Architecture"] != _ARCHITECTURES[spec.architecture]:
            raise LaunchError("Runtime.InvalidEntrypoint", "fork/exec /lambda-entrypoint.sh: exec format error")
        try:
            container = self._docker.containers.create(
                image.id,
                command=list(spec.code.command) or None,
                entrypoint=list(spec.code.entry_point) or None,
                working_dir=spec.code.working_directory or None,
                name=spec.name,
                environment=_reachable(spec.environment),
                labels={LABEL: str(os.getpid())},
                network_mode=_network(),
                mem_limit=f"{spec.memory_mb}m",
                memswap_limit=f"{spec.memory_mb}m",
                read_only=True,
                tmpfs={"/tmp": "rw,exec,mode=1777,size=512m"},  # noqa: S108 - Lambda's own scratch folder
                user=USER,
                cap_drop=["ALL"],
                security_opt=["no-new-privileges"],
            )
            running = _Container(container, on_line, on_end, self._forget)
            with self._lock:
                self._running.add(running)
            running.begin()
        except APIError as error:
            raise LaunchError("Runtime.InvalidEntrypoint", error.explanation or str(error)) from None
        return running

    def close(self) -> None:
        """Remove every container that this launcher started."""
        with self._lock:
            running = list(self._running)
        for one in running:
            one.kill()
        for one in running:
            one.ended.wait(10)
        self._docker.close()

    def _forget(self, container: _Container) -> None:
        with self._lock:
            self._running.discard(container)

    def _pull(self, code: ImageCode) -> Any:
        """Return the engine's image of a digest, pulled once however many sandboxes ask."""
        from docker.errors import APIError, ImageNotFound

        reference = f"{code.registry}/{code.repository}@{code.digest}"
        with self._lock:
            lock = self._pulls.setdefault(reference, threading.Lock())
        with lock:
            try:
                return self._docker.images.get(reference)
            except ImageNotFound:
                pass
            try:
                repository = f"{code.registry}/{code.repository}"
                return self._docker.images.pull(repository, tag=code.digest, auth_config=dict(self._login(code)))
            except (APIError, ImageNotFound) as error:
                raise LaunchError("ImageDeleted", f"{reference} can't be pulled: {error.explanation}") from None

    def _remove_orphans(self) -> None:
        """Remove what a cloud that was killed left behind."""
        from docker.errors import APIError

        for container in self._docker.containers.list(all=True, filters={"label": LABEL}):
            if not _alive(int(container.labels[LABEL])):
                with contextlib.suppress(APIError):
                    container.remove(force=True)


class _Container:
    """One container; two threads read its output and wait for its end."""

    def __init__(
        self,
        container: Any,
        on_line: Callable[[str], None],
        on_end: Callable[[Ended], None],
        forget: Callable[[_Container], None],
    ) -> None:
        self.ended = threading.Event()
        self._container = container
        self._on_line = on_line
        self._on_end = on_end
        self._forget = forget
        self._idle = threading.Event()

    def begin(self) -> None:
        output = self._container.attach(stream=True, logs=True)
        self._container.start()
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()
        threading.Thread(target=self._wait, daemon=True).start()

    def kill(self) -> None:
        """Kill the container."""
        from docker.errors import APIError

        with contextlib.suppress(APIError):
            self._container.kill()

    def drain(self) -> None:
        """Give the engine a moment to deliver what was written; it has no way to say that it has."""
        self._idle.clear()
        self._idle.wait(0.005)

    def memory_mb(self) -> int:
        """Return the most memory that the container has held, as the engine counts it."""
        from docker.errors import APIError

        with contextlib.suppress(APIError, KeyError, OSError):
            usage = self._container.stats(stream=False, one_shot=True)["memory_stats"]
            return int(usage.get("max_usage", usage.get("usage", 0))) // 2**20
        return 0

    def _read(self, output: Any) -> None:
        rest = b""
        for chunk in output:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._on_line(line.decode(errors="replace"))
            self._idle.set()
        if rest:
            self._on_line(rest.decode(errors="replace"))

    def _wait(self) -> None:
        from docker.errors import APIError

        code = _KILLED
        with contextlib.suppress(APIError, OSError):
            code = self._container.wait(timeout=None)["StatusCode"]
        self._reader.join(5)
        with contextlib.suppress(APIError, OSError):
            self._container.remove(force=True)
        self.ended.set()
        self._forget(self)
        self._on_end(Ended(128 - code if code > 128 else code))  # noqa: PLR2004 - the shell's way to write a signal


def _reachable(environment: Mapping[str, str]) -> dict[str, str]:
    if sys.platform == "linux":
        return dict(environment)
    return {key: value.replace("127.0.0.1", "host.docker.internal") for key, value in environment.items()}


def _network() -> str:
    return "host" if sys.platform == "linux" else "bridge"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
