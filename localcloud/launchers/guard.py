"""Remove a cloud's containers when the cloud has gone without doing so itself: killed outright, or crashed.

A process of its own that waits at the end of a pipe: whatever way the cloud ends, the kernel closes the other end.
A container can't be made to end with a process of the host as a child can (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import Any

LABEL = "dev.stepladder.cloud"
"""On every container; its value names the process that started it."""
_FAREWELL = b"."


class Guard:
    """The guard of one cloud's containers, seen from the cloud."""

    def __init__(self, owner: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "localcloud.launchers.guard", owner],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for the cloud
        )

    def dismiss(self) -> None:
        """Let it go: everything has been removed."""
        if self._child.poll() is not None:
            return
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            self._child.communicate(_FAREWELL, timeout=5)


def sweep(client: Any, owner: str) -> None:
    """Remove every container of an owner."""
    from docker.errors import APIError

    for container in client.containers.list(all=True, filters={"label": f"{LABEL}={owner}"}, ignore_removed=True):
        with contextlib.suppress(APIError):
            container.remove(force=True, v=True)


def main(owner: str) -> None:
    """Wait for the cloud's end, then remove what it left."""
    if sys.stdin.buffer.read() == _FAREWELL:
        return
    import docker

    from stepladder.core import container_engine

    with contextlib.closing(
        docker.DockerClient.from_env(environment=container_engine.environment(), timeout=60)
    ) as client:
        sweep(client, owner)


if __name__ == "__main__":
    main(sys.argv[1])
