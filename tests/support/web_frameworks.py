"""Other people's adapters between Lambda and a web framework, and small apps behind them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from stepladder.commands.checks import tool

FOLDER = Path(__file__).with_name("frameworks")
ADAPTERS = tuple(sorted(path.stem for path in FOLDER.glob("*_*.py") if path.stem != "flask_app"))


def install(folder: Path) -> Path:
    """Install what the apps need, by hash, from PyPI or uv's cache."""
    argv = ["pip", "install", "--quiet", "--python", sys.executable, "--target", str(folder), "--require-hashes"]
    subprocess.run([tool("uv"), *argv, "--requirement", str(FOLDER / "requirements.txt")], check=True, timeout=120)
    return folder
