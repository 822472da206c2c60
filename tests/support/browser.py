"""A real browser for the tests, without a window: Chromium, or Chrome where that is what the machine has.

On a Debian machine as root Chromium is installed. Elsewhere `NoBrowserError` says how to get one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping

import debian

from stepladder.core.process import die_with_parent

NAMES = ("chromium", "google-chrome", "google-chrome-stable", "chromium-browser", "chrome")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
)


class NoBrowserError(Exception):
    """There is no browser here, and none can be installed."""


def path_of_browser() -> str:
    """Return the program of a browser; installed where that can be done."""
    for name in NAMES:
        if path := shutil.which(name):
            return path
    try:
        debian.ensure(("chromium",), "chromium")
    except debian.NotInstalledError as error:
        how = "install Chromium (Debian: apt-get install chromium; Ubuntu: google-chrome-stable)"
        raise NoBrowserError(f"no browser is here: {how}: {error}") from error
    return shutil.which("chromium") or ""


@contextlib.contextmanager
def visiting(url: str, *, names: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Open a page in a browser that knows nothing, and end it with the block; `names` are hosts and their addresses."""
    rules = ", ".join(f"MAP {name} {address}" for name, address in names.items())
    with tempfile.TemporaryDirectory(prefix="stepladder-browser-", ignore_cleanup_errors=True) as profile:
        child = subprocess.Popen(
            [path_of_browser(), *FLAGS, f"--user-data-dir={profile}", f"--host-resolver-rules={rules}", url],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
            preexec_fn=die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - one libc call
        )
        try:
            yield child
        finally:
            child.terminate()
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)
