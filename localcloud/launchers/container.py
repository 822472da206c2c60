"""The container launcher: an Image function started from the image as it was pushed, by digest, in a Docker engine.

What Lambda does is kept: memory limit, read-only file system but for /tmp, no /dev/shm, an unprivileged user, at most
1024 processes and open files, the environment and nothing else
(https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html). Containers are on the host's network, so that
a Runtime API on loopback is reached. The engine must be this machine's own (`ContainerEngine.is_local`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.launchers.guard import LABEL, Guard
from localcloud.launchers.interface import Ended, ImageCode, LaunchError, SandboxSpec, ZipCode
from localcloud.process_start import started_at
from stepladder.core import container_engine
from stepladder.core.image_facts import HOST_BASE, LABEL_BASE, PLATFORM

USER = "993:990"  # AWS's sbx_user1051
_DEADLINE = 60  # seconds for an answer of the engine
_CLOSING = 8.0  # seconds that all containers together have to go; then the guard sees to them
_KILLED = 137
_LIMIT = 1024  # processes, and open files
_SILENCE, _BUSY, _DRAIN = (
    0.004,
    5.0,
    0.1,
)  # seconds of silence that mean "all is here"; times that on a busy machine; limit


def engine_answers() -> str:
    """Return the version of an engine that shares this machine's loopback, or an empty string when there is none."""
    reply = container_engine.find()
    return reply.version if reply and reply.is_local else ""


class ContainerLauncher:
    """Starts sandboxes as containers. `login` gives user and password for the registry that holds an image."""

    name = "container"
    host = "127.0.0.1"

    def __init__(self, login: Callable[[ImageCode], Mapping[str, str]]) -> None:
        import docker

        self._login = login
        self._docker = docker.DockerClient.from_env(environment=container_engine.environment(), timeout=_DEADLINE)
        self._running: set[_Container] = set()
        self._lock = threading.Lock()
        self._pulls: dict[str, threading.Lock] = {}
        self._owner = f"{socket.gethostname()}/{os.getpid()}/{started_at(os.getpid())}"
        self._remove_orphans()
        self._guard = Guard(self._owner)

    def refusal(self, spec: SandboxSpec) -> str:
        """Say why the code can't run here: a zip has no image, and an image on host-python has no Python in it."""
        if isinstance(spec.code, ZipCode):
            return "the container launcher runs images, and this is a deployment package"
        labels = self._pull(spec.code).labels or {}
        if labels.get(LABEL_BASE, "").startswith(HOST_BASE):
            return "this image is on the base host-python, which only the process launcher can run"
        return ""

    def start(
        self, spec: SandboxSpec, *, on_line: Callable[[str], None], on_end: Callable[[Ended], None]
    ) -> _Container:
        """Start a container. Raises `LaunchError`."""
        from docker.errors import DockerException

        if refusal := self.refusal(spec):
            raise LaunchError("Runtime.InvalidEntrypoint", refusal)
        assert isinstance(spec.code, ImageCode)  # noqa: S101 - refusal has looked
        image = self._pull(spec.code)
        if image.attrs["Architecture"] != PLATFORM[spec.architecture]:
            raise LaunchError("Runtime.InvalidEntrypoint", "fork/exec /lambda-entrypoint.sh: exec format error")
        if not (spec.code.command or image.attrs["Config"].get("Cmd")):
            message = "entrypoint requires the handler name to be the first argument"  # as AWS's own entry point says
            raise LaunchError("Runtime.InvalidEntrypoint", message)
        try:
            running = _Container(self._create(image, spec, spec.code), on_line, on_end, self._forget)
        except (DockerException, OSError) as error:
            raise LaunchError("Runtime.InvalidEntrypoint", _message(error)) from None
        with self._lock:
            self._running.add(running)
        try:
            running.begin()
        except (DockerException, OSError) as error:
            running.discard()
            raise LaunchError("Runtime.InvalidEntrypoint", _message(error)) from None
        return running

    def close(self) -> None:
        """Remove every container that this launcher started."""
        with self._lock:
            running = list(self._running)
        for one in running:
            one.kill()
        deadline = time.monotonic() + _CLOSING
        ended = [one.ended.wait(max(0.0, deadline - time.monotonic())) for one in running]
        if all(ended):
            self._guard.dismiss()
        self._docker.close()

    def _create(self, image: Any, spec: SandboxSpec, code: ImageCode) -> Any:
        from docker.types import Ulimit

        return self._docker.containers.create(
            image.id,
            command=list(code.command) or None,
            entrypoint=list(code.entry_point) or None,
            working_dir=code.working_directory or None,
            name=f"{spec.name[:54]}-{secrets.token_hex(4)}",
            environment=dict(spec.environment),
            labels={LABEL: self._owner},
            network_mode="host",
            init=True,  # reaps, and lets signals reach a runtime that would else be process 1
            ipc_mode="none",
            mem_limit=f"{spec.memory_mb}m",
            memswap_limit=f"{spec.memory_mb}m",
            pids_limit=_LIMIT,
            ulimits=[Ulimit(name="nofile", soft=_LIMIT, hard=_LIMIT)],
            read_only=True,
            tmpfs={"/tmp": f"rw,exec,mode=1777,size={spec.storage_mb}m"},  # noqa: S108 - Lambda's own scratch folder
            user=USER,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
        )

    def _forget(self, container: _Container) -> None:
        with self._lock:
            self._running.discard(container)

    def _pull(self, code: ImageCode) -> Any:
        """Return the engine's image of a digest, pulled once however many sandboxes ask.

        Without a registry the digest is the id of an image that the engine holds.
        """
        from docker.errors import DockerException, ImageNotFound

        reference = f"{code.registry}/{code.repository}@{code.digest}" if code.registry else code.digest
        with self._lock:
            lock = self._pulls.setdefault(reference, threading.Lock())
        with lock:
            try:
                with contextlib.suppress(ImageNotFound):
                    return self._docker.images.get(reference)
                repository = f"{code.registry}/{code.repository}"
                return self._docker.images.pull(repository, tag=code.digest, auth_config=dict(self._login(code)))
            except (DockerException, OSError) as error:
                raise LaunchError("ImageDeleted", f"{reference} can't be pulled: {_message(error)}") from None

    def _remove_orphans(self) -> None:
        """Remove what a cloud of this machine left behind when it was killed together with its guard."""
        from docker.errors import APIError

        for container in self._docker.containers.list(all=True, filters={"label": LABEL}, ignore_removed=True):
            host, pid, started = (*container.labels[LABEL].split("/"), "", "")[:3]
            if host == socket.gethostname() and pid.isdecimal() and started_at(int(pid)) != started:
                with contextlib.suppress(APIError):
                    container.remove(force=True, v=True)


class _Container:
    """One container. Two threads read its output and wait for its end."""

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
        self._came = threading.Event()
        self._reading = threading.Lock()
        self._rests = [b"", b""]  # standard output and standard error: a line of one isn't cut by the other
        self._removing = threading.Lock()
        self._removed = False

    def begin(self) -> None:
        # Without `logs`: the engine answers once its streams are attached, so nothing that the container writes is
        # missed, and a line that it writes before the engine reads its log would arrive by both.
        output = self._container.attach(stream=True, demux=True)
        self._container.start()
        self._reader = threading.Thread(target=self._read, args=(output,), daemon=True)
        self._reader.start()
        threading.Thread(target=self._wait, daemon=True).start()

    def kill(self) -> None:
        """Kill the container and remove it, in the background: an engine takes its time."""
        if not self.ended.is_set():
            threading.Thread(target=self._remove, daemon=True).start()

    def discard(self) -> None:
        """Remove a container that did not start."""
        self._remove()
        self.ended.set()
        self._forget(self)

    def drain(self) -> None:
        """Wait until nothing more comes: the engine has no way to say that it has delivered what was written."""
        deadline = time.monotonic() + _DRAIN
        silence = _SILENCE * min(_BUSY, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
        while self._came.wait(silence) and time.monotonic() < deadline:
            self._came.clear()
        self._finish()

    def memory_mb(self) -> int:
        """Return the most memory that the container has held, as the engine counts it (a few milliseconds)."""
        from docker.errors import DockerException

        with contextlib.suppress(DockerException, KeyError, OSError):
            usage = self._container.stats(stream=False, one_shot=True)["memory_stats"]
            return int(usage.get("max_usage", usage.get("usage", 0))) // 2**20
        return 0

    def _read(self, output: Any) -> None:
        with contextlib.suppress(OSError, ValueError):  # the engine went away
            for chunks in output:
                with self._reading:
                    for stream, chunk in enumerate(chunks):
                        *lines, self._rests[stream] = (self._rests[stream] + (chunk or b"")).split(b"\n")
                        for line in lines:
                            self._on_line(line.decode(errors="replace"))
                self._came.set()
        with contextlib.suppress(OSError, AttributeError):  # the SDK's way to the socket depends on its state
            output.close()
            output._response.close()  # noqa: SLF001 - else the socket stays until somebody collects it
        self._finish()

    def _finish(self) -> None:
        """Deliver lines that aren't ended."""
        with self._reading:
            rests, self._rests = self._rests, [b"", b""]
            for rest in filter(None, rests):
                self._on_line(rest.decode(errors="replace"))

    def _wait(self) -> None:
        from docker.errors import APIError

        code = _KILLED
        with contextlib.suppress(APIError, OSError):
            code = self._container.wait(timeout=None)["StatusCode"]
        self._reader.join(5)
        self._on_end(Ended(128 - code if code > 128 else code))  # noqa: PLR2004 - the shell's way to write a signal
        self._remove()
        self.ended.set()
        self._forget(self)

    def _remove(self) -> None:
        """Remove the container. Whoever comes second waits until it is gone."""
        from docker.errors import APIError

        with self._removing:
            if not self._removed:
                with contextlib.suppress(APIError, OSError):
                    self._container.remove(force=True, v=True)
                self._removed = True


def _message(error: Exception) -> str:
    """Return the engine's message about a failure, in one line."""
    return str(getattr(error, "explanation", None) or error).strip().splitlines()[0]
