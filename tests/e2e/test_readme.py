"""The README's path from a template to a called function, typed as it stands there."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## From your code to a called function"

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]


def _commands():
    block = re.search(rf"{HEADING}\n.*?```sh\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    return block[1]


def _stand_in(commands, tools):
    """This environment's tools stand for those that would be installed, and its Python for the function's."""
    mended = (
        commands.replace("$PWD/.venv/bin", str(tools))
        .replace("inv new ", f"yes '' | inv new --python-version 3.{sys.version_info.minor} ")
        .replace("uv sync && . .venv/bin/activate", ":")
    )
    assert mended.count(str(tools)) == mended.count("yes ''") == 1, "the README changed; look here too"
    return mended


def test_a_person_who_types_what_the_readme_says_calls_their_function(run, tmp_path):
    script = f"set -e\n{_stand_in(_commands(), Path(sys.executable).parent)}"
    typed = run("bash", "-c", script, HOME=str(tmp_path))
    assert typed.wait(400) == 0, typed.said
    assert "3 passed" in typed.said
    assert "staging: version 1 is live" in typed.said
    assert '"statusCode": 200' in typed.said
    assert re.search(r"staging +1 ", typed.said)
    assert (tmp_path / "projects" / "hello-ladder" / "invoke.yaml").is_file()
    assert typed.left_behind() == []
