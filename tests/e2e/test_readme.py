"""The README's first deployment and promotion, typed as they stand there; and its picture, drawn again."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## First deployment and promotion"

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]


def _blocks(kind):
    """The blocks of the README's section: commands (`sh`) or what they print (`text`)."""
    section = (ROOT / "README.md").read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)


def _picture():
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _stand_in(commands):
    """This environment's tools stand for those that would be installed, and its Python for the function's."""
    changed = commands.replace("inv new ", f"yes '' | inv new --python-version 3.{sys.version_info.minor} ").replace(
        "uv sync && . .venv/bin/activate", ":"
    )
    assert changed.count("yes ''") == changed.count("\n:") == 1, "the README changed; look here too"
    return changed


def _pattern(line):
    """What a printed line must look like: words as they are, ids and figures as others of their kind."""
    pattern = re.escape(" ".join(line.split())).replace("…", ".*")
    pattern = re.sub(r"\b[0-9a-f]{12}\b", "[0-9a-f]{12}", pattern)
    pattern = re.sub(r"\b20\d{6}T\d{6}Z\\-[0-9a-f]{6}\b", r"\\d{8}T\\d{6}Z-[0-9a-f]{6}", pattern)
    pattern = re.sub(r"\b(\d+|\d+\\\.\d+)\\ (s|min|ms)\b", r"[\\d.]+\\ (s|min|ms)", pattern)
    return f"^{pattern}$"


def test_a_person_who_types_what_the_readme_says_sees_what_it_shows(run, tmp_path):
    """The picture too: it is drawn again, from a second promotion. `python docs/picture.py` makes a stale one new."""
    *commands, end = _blocks("sh")
    drawing = f"{sys.executable} {ROOT}/docs/picture.py --project . --output {tmp_path}/pictures"
    script = "".join(["set -e\n", _stand_in("".join(commands)), drawing, "\n", end])
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    typed = run("bash", "-c", script, HOME=str(tmp_path), PATH=path)
    assert typed.wait(400) == 0, typed.said
    said = "\n".join(" ".join(line.split()) for line in typed.said.splitlines())
    place = 0
    for line in filter(None, "".join(_blocks("text")).splitlines()):
        found = re.compile(_pattern(line), re.MULTILINE).search(said, place)
        assert found, f"{line!r} is not printed, or not in its place:\n{typed.said}"
        place = found.end()
    assert "3 passed" in said
    assert '"statusCode": 200' in said
    assert (tmp_path / "projects" / "hello-ladder" / "invoke.yaml").is_file()
    words = _picture().words
    for name in ("promotion-light.svg", "promotion-dark.svg"):
        drawn, shown = (folder / name for folder in (tmp_path / "pictures", ROOT / "docs" / "pictures"))
        assert words(drawn.read_text("utf-8")) == words(shown.read_text("utf-8"))
    assert typed.left_behind() == []
