"""A person's first hour, typed: this repository's README, then that of the project which it made; and the picture.

docs/tutorial/first-project.md goes the same way, and its change is the one that is made. The examples of guides that
are marked with `run` are typed at the end.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import doc_examples
import newcomer
import pytest

ROOT = Path(__file__).resolve().parents[2]
HEADING = "## First deployment and promotion"
TUTORIAL = (ROOT / "docs" / "tutorial" / "first-project.md").read_text("utf-8")
EDIT = """
sed -i 's/"message": "hello"/"message": "good day"/' function/app/handler.py
git commit --quiet --all --message "Greet in another way"
! inv deploy --env staging > {folder}/refused.txt 2>&1
sed -i 's/"hello"/"good day"/' tests/smoke/answers.json tests/test_handler.py
"""
"""What the tutorial says to edit, and the deployment that it says is refused."""

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]


def _blocks(kind):
    """The blocks of the README's section: commands (`sh`) or what they print (`text`)."""
    section = (ROOT / "README.md").read_text().partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    return re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL)


def _commands(text):
    """The lines of all `sh` blocks of a text as they are typed: without comments, `uv run`, and ports."""
    lines = "".join(re.findall(r"```sh\n(.*?)```", text, re.DOTALL)).splitlines()
    lines = [re.sub(r"\s+#.*|^uv run | --port \d+", "", line) for line in lines]
    return [line for line in lines if line and not line.startswith("git ")]


def test_the_tutorial_goes_the_way_of_the_readmes_that_are_typed_here():
    first, again = TUTORIAL.split("\n## 6. Change something\n")
    change, end = again.split("\n## 8. Clean up\n")
    shown = (ROOT / "README.md").read_text("utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    assert sorted(_commands(first)) == sorted(
        ["sh bootstrap.sh", 'export PATH="$PWD/.venv/bin:$PATH"', *_commands(shown)[:-1]]
    )
    assert _commands(end) == _commands(shown)[-1:] == ["inv local.down"]
    project = (ROOT / "template" / "{{cookiecutter.project_slug}}" / "README.md").read_text("utf-8")
    after = _commands(project.partition("\nNow change ")[2].partition("\n## ")[0])
    back = _commands(project.partition("\n## Roll back\n")[2].partition("\n## ")[0])
    assert _commands(change) == ["inv deploy --env staging", *after, *back]


def _guides():
    """The examples that are typed here, each in a subshell that ends at a failure."""
    examples = [each for each in doc_examples.every_example() if "run" in each.notes]
    assert examples
    return "".join(f"\n( set -e\n{each.text}\n) || {{ echo {each.name} failed; exit 1; }}\n" for each in examples)


def _picture():
    spec = importlib.util.spec_from_file_location("picture", ROOT / "docs" / "picture.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _typed_in(folder, commands):
    """Enter takes every answer that is offered, and a folder of the test stands for the person's home."""
    changed = commands.replace("inv new ", "yes '' | inv new ").replace("~/", f"{folder}/")
    assert changed.count("yes ''") == 1, "the README changed; look here too"
    assert changed.count(f"{folder}/projects") == 2, "the README changed; look here too"
    return changed


def _pattern(line):
    """What a printed line must look like: words as they are, ids and figures as others of their kind."""
    pattern = re.escape(" ".join(line.split())).replace("…", ".*")
    pattern = re.sub(r"\b[0-9a-f]{12}\b", "[0-9a-f]{12}", pattern)
    pattern = re.sub(r"\b20\d{6}T\d{6}Z\\-[0-9a-f]{6}\b", r"\\d{8}T\\d{6}Z-[0-9a-f]{6}", pattern)
    pattern = re.sub(r"\b(\d+|\d+\\\.\d+)\\ (s|min|ms)\b", r"[\\d.]+\\ (s|min|ms)", pattern)
    return f"^{pattern}$"


def test_a_person_who_types_what_the_readmes_say_sees_what_they_show(run, tmp_path):
    """The picture too: it is drawn again, from a third promotion. `python docs/picture.py` makes a stale one new."""
    *commands, end = _blocks("sh")
    path = newcomer.tools()
    typed = run("bash", "-c", "set -e\n" + _typed_in(tmp_path, "".join(commands)), PATH=path)
    assert typed.wait(400) == 0, typed.said
    said = "\n".join(" ".join(line.split()) for line in typed.said.splitlines())
    place = 0
    for line in filter(None, "".join(_blocks("text")).splitlines()):
        found = re.compile(_pattern(line), re.MULTILINE).search(said, place)
        assert found, f"{line!r} is not printed, or not in its place:\n{typed.said}"
        place = found.end()
    assert "production was created and was never released" in said
    assert "3 passed" in said
    assert '"statusCode": 200' in said
    project = tmp_path / "projects" / newcomer.SLUG
    drawing = f"{sys.executable} {ROOT}/docs/picture.py --project . --output {tmp_path}/pictures"
    then = f". .venv/bin/activate\n{_guides()}\n{drawing}\n{end}"
    edit = f". .venv/bin/activate\n{EDIT.format(folder=tmp_path)}"
    newcomer.go_on(run, tmp_path, project, then=then, edit=edit, PATH=path)
    (refusal,) = re.findall(r"```text\n(error: .*)\n```", TUTORIAL)
    assert re.search(_pattern(refusal), (tmp_path / "refused.txt").read_text(), re.MULTILINE)
    words = _picture().words
    for name in (f"{name}-{theme}.svg" for name in _picture().PICTURES for theme in ("light", "dark")):
        drawn, shown = (folder / name for folder in (tmp_path / "pictures", ROOT / "docs" / "pictures"))
        assert words(drawn.read_text("utf-8")) == words(shown.read_text("utf-8"))
    assert typed.left_behind() == []
