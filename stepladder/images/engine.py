"""Does a container engine answer on this machine? Asked with one connection, before anything heavy is imported."""

from __future__ import annotations

import os
import socket
from urllib.parse import urlsplit

NAME = "docker"
_SECONDS = 1.0


def answers() -> bool:
    """Say whether something listens where DOCKER_HOST, or Docker's default socket, says."""
    target = urlsplit(os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock")
    try:
        if target.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(_SECONDS)
                client.connect(target.path)
        else:
            socket.create_connection((target.hostname or "", target.port or 2375), _SECONDS).close()
    except (OSError, ValueError):
        return False
    return True
