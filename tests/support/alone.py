"""A unit test keeps to its own process: it starts no other, and reaches nothing outside.

A server that a test runs in a thread is in the process: an address of this machine may be connected to.
"""

from __future__ import annotations

import contextlib
import ipaddress
import sys
from collections.abc import Iterator
from typing import Any

import pytest

STARTS = ("subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "os.system", "pty.spawn")
REACHES = ("socket.connect", "socket.getaddrinfo")
LOCAL = ("127.0.0.1", "localhost", "::1", "", None)
_seen: list[str] = []
_watching = False
_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _watching or not (event in STARTS or event in REACHES):
        return
    if event in STARTS:
        _seen.append(f"started a process: {args[1] if event == 'subprocess.Popen' else event}")
    elif event == "socket.connect" and not _is_local(args[1]):
        _seen.append(f"connected to {args[1]}")
    elif event == "socket.getaddrinfo" and args[0] not in LOCAL and not _is_number(args[0]):
        _seen.append(f"looked up {args[0]}")
    else:
        return
    raise PermissionError(f"a unit test {_seen[-1]}")  # the kind of error that code under test cleans up after


def _is_local(address: Any) -> bool:
    return isinstance(address, tuple) and address[0] in LOCAL


def _is_number(host: Any) -> bool:
    """Say whether a host is an address, which nobody is asked about."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Fail, once the block ends, if anything in it left the process; it has met an error by then."""
    global _watching, _hooked  # noqa: PLW0603 - an audit hook can't be taken off again
    if not _hooked:
        sys.addaudithook(_hook)
        _hooked = True
    _seen.clear()
    _watching = True
    try:
        yield
    finally:
        _watching = False
    if _seen:
        pytest.fail("\n".join([*_seen, "a test that needs this belongs into tests/process"]), pytrace=False)
