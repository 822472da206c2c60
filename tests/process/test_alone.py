"""A unit test that starts a process or reaches outside fails, even where the code under test swallows the error."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import alone
import pytest


def process(_folder: Path) -> None:
    subprocess.run(["true"], check=True)


def name(_folder: Path) -> None:
    socket.getaddrinfo("example.org", 443)


def address(_folder: Path) -> None:
    with socket.socket() as ours:
        ours.connect(("192.0.2.1", 443))


def unix(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(str(folder / "docker.sock"))


@pytest.mark.parametrize(
    ("leave", "said"),
    [
        (process, r"started a process: \['true'\]"),
        (name, "looked up example.org"),
        (address, r"connected to \('192.0.2.1', 443\)"),
        (unix, "connected to .*docker.sock"),
    ],
)
def test_what_leaves_the_process_fails_the_test(leave: Callable[[Path], None], said: str, tmp_path: Path) -> None:
    kept = alone.kept()
    kept.__enter__()
    with pytest.raises(PermissionError, match="a unit test"):
        leave(tmp_path)
    with pytest.raises(pytest.fail.Exception, match=f"{said}(?s:.*)belongs into tests/process"):
        kept.__exit__(None, None, None)


def test_a_server_of_the_test_s_own_is_in_the_process() -> None:
    with alone.kept(), socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(("localhost", server.getsockname()[1])).close()
