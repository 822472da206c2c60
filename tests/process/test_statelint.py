"""The state machine's definition, read by another program."""

import subprocess
import sys
from pathlib import Path

from stepladder.core import resources


def test_statelint_agrees():
    path = resources.folder("terraform") / "modules" / "delivery" / "promotion.asl.json"
    linter = Path(sys.executable).with_name("statelint")
    done = subprocess.run([linter, path], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "")
