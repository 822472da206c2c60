"""The container engine: where it is, whether it answers, and what it is made for.

Asked over its own HTTP API with the standard library: the Docker SDK costs a fifth of a second to import, and most runs
only need to know that an engine is there. The address is the one that `docker` itself would use: DOCKER_HOST, the
current context, the default socket, a rootless one.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

NAME = "docker"
DEFAULT = "unix:///var/run/docker.sock"
_SECONDS = 2.0
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}
_architectures: dict[str, str] = {}
"""Those of the engines that were found, by address."""
_versions: dict[str, str | None] = {}
"""Those of the API that engines answered, by address."""


@dataclass(frozen=True)
class ContainerEngine:
    """An engine that answers. `architecture` is in Lambda's words.

    `here`: it shares this machine's loopback addresses, so that it reaches a registry and a Runtime API that listen
    there. An engine in a virtual machine (Docker Desktop) or on another host doesn't.
    """

    version: str
    architecture: str
    is_local: bool


def address() -> str:
    """Return the engine's address, whether or not anything listens there."""
    return os.environ.get("DOCKER_HOST") or _of_context() or _socket()


def environment() -> dict[str, str]:
    """Return the variables from which the SDK shall make its client."""
    return {**os.environ, "DOCKER_HOST": address()}


def answers() -> bool:
    """Say whether an engine answers."""
    return find() is not None


def find() -> ContainerEngine | None:
    """Ask the engine what it is (about 10 ms); None when none answers."""
    try:
        host = address()
        info = _info(host)
        named = str(info["Architecture"])
        _architectures[host] = _MACHINES.get(named, named)
        local = str(info["Name"]) == socket.gethostname()
        return ContainerEngine(str(info["ServerVersion"]), _architectures[host], local)
    except (OSError, ValueError, LookupError, TypeError, http.client.HTTPException):
        return None


def architecture() -> str:
    """Return the engine's architecture in Lambda's words, as it was found before; empty when no engine answers."""
    host = address()
    if host not in _architectures:
        find()
    return _architectures.get(host, "")


def api_version() -> str | None:
    """Return the newest version of its API that the engine speaks; None where only the SDK can ask for it.

    The SDK asks by `/version` each time a client is made, for which an engine starts three programs; this is `/_ping`.
    """
    host = address()
    target = urlsplit(host)
    try:
        if host not in _versions and _is_plain(target):
            _versions[host] = _answer(target, "/_ping")[0].get("Api-Version")
    except (OSError, ValueError, http.client.HTTPException):
        return None
    return _versions.get(host)


def _info(host: str) -> Mapping[str, Any]:
    """Return the engine's own description (https://docs.docker.com/reference/api/engine/, SystemInfo)."""
    target = urlsplit(host)
    if not _is_plain(target):
        return _info_by_sdk()
    info = json.loads(_answer(target, "/info")[1])
    if not isinstance(info, dict):
        raise TypeError(f"{host} is no container engine")
    return info


def _is_plain(target: SplitResult) -> bool:
    """Say whether an engine is spoken to without TLS and without SSH."""
    return target.scheme in {"unix", "tcp", "http"} and not os.environ.get("DOCKER_TLS_VERIFY")


def _answer(target: SplitResult, path: str) -> tuple[Message, bytes]:
    """Return the headers and the body of what an engine answers to a GET."""
    connection: http.client.HTTPConnection
    if target.scheme == "unix":
        connection = _UnixConnection(target.path)
    else:
        connection = http.client.HTTPConnection(target.hostname or "", target.port or 2375, timeout=_SECONDS)
    try:
        connection.request("GET", path, headers={"Host": "docker"})
        answer = connection.getresponse()
        return answer.headers, answer.read()
    finally:
        connection.close()


def _info_by_sdk() -> Mapping[str, Any]:
    """Ask over TLS or SSH, which the SDK knows how to speak."""
    import docker
    from docker.errors import DockerException

    try:
        client = docker.DockerClient.from_env(environment=environment(), timeout=10)
    except DockerException as error:
        raise OSError(str(error)) from None
    try:
        info: Mapping[str, Any] = client.info()
    except DockerException as error:
        raise OSError(str(error)) from None
    finally:
        client.close()
    return info


class _UnixConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        try:
            self.sock.settimeout(_SECONDS)
            self.sock.connect(self._path)
        except OSError:
            self.sock.close()
            raise


def _of_context() -> str:
    """Return the address of `docker context`'s current choice, empty for the default one. Only read, never written."""
    folder = Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")
    name = os.environ.get("DOCKER_CONTEXT") or _read(folder / "config.json").get("currentContext") or "default"
    if name == "default":
        return ""
    meta = folder / "contexts" / "meta" / hashlib.sha256(str(name).encode()).hexdigest() / "meta.json"
    endpoint = _read(meta).get("Endpoints", {}).get("docker", {})
    return str(endpoint.get("Host", "")) if isinstance(endpoint, dict) else ""


def _socket() -> str:
    """Return the default socket, or a user's own where that one is missing."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    for path in (Path("/var/run/docker.sock"), Path(runtime or "/nowhere") / "docker.sock", _desktop()):
        if path.is_socket():
            return f"unix://{path}"
    return DEFAULT


def _desktop() -> Path:
    return Path.home() / ".docker" / "run" / "docker.sock"


def _read(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
