"""Every example of the documentation is checked: loaded, read, compiled, or run by a test that its comment names."""

from __future__ import annotations

import json
import re

import doc_examples
import pytest
import yaml
from doc_examples import REASONS, ROOT, of_text

from stepladder.core.errors import BadInputError
from stepladder.releases import smoke_case
from stepladder.settings.load import load

EXAMPLES = doc_examples.every_example()
LOCATION = {"account": "111111111111", "region": "eu-west-1"}
CHECKED = {"yaml", "json", "python"}
"""Languages whose blocks are checked without a comment."""


def _those(*kinds):
    return [pytest.param(each, id=each.name) for each in EXAMPLES if each.kind in kinds and not each.reasons]


@pytest.mark.parametrize("example", [pytest.param(each, id=each.name) for each in EXAMPLES])
def test_an_example_is_run_or_says_why_not(example):
    known = {"run", *REASONS}
    odd = [note for note in example.notes if note not in known and not note.startswith(("under ", "tests/"))]
    assert odd == [], f"known are {', '.join(known)}, a test's file, and `under <key>`"
    assert example.kind, "name the language"
    assert example.notes or example.kind in CHECKED, (
        "say above it how it is run, or why not: tests/support/doc_examples.py"
    )
    assert "run" not in example.notes or example.kind == "sh"


@pytest.mark.parametrize("example", [pytest.param(each, id=each.name) for each in EXAMPLES if each.tests])
def test_the_test_that_an_example_names_uses_it(example):
    """It reads the page, or it runs each task of the block."""
    tests = "".join((ROOT / name).read_text("utf-8") for name in example.tests)
    if example.page.rpartition("/")[2] in tests:
        return
    tasks = re.findall(r"^(?:\S+=\S+ |\S*/)?inv(?:oke)? ([\w.]+)", example.text, re.MULTILINE)
    assert tasks, "no task is in it, and the test does not name the page"
    for task in tasks:
        assert re.search(rf"\b{re.escape(task)}\b", tests), task


def _settings(example):
    """The settings of a block, under the keys where they stand."""
    raw = yaml.safe_load(example.text)
    assert isinstance(raw, dict), raw
    if set(raw) == {"stepladder"}:
        return raw["stepladder"]
    for key in reversed(example.under.split(".") if example.under else []):
        raw = {key: raw}
    return raw


@pytest.mark.parametrize("example", _those("yaml"))
def test_settings_are_loaded_by_the_loader_of_settings(example, tmp_path):
    for name in ("reports", "search"):
        file = tmp_path / "policies" / f"{name}.json"
        file.parent.mkdir(exist_ok=True)
        statement = {"Sid": "Everything", "Effect": "Allow", "Action": "es:ESHttpGet", "Resource": "*"}
        own = {**statement, "Sid": "Reports", "Resource": "arn:aws:s3:::reports/*", "Action": "s3:GetObject"}
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": [statement if name == "search" else own]}))
    raw = _settings(example)
    rungs = raw.get("rungs") or ["staging", *raw.get("promotion", {}).get("rungs", {})]
    names = [name for rung in rungs for name in (rung if isinstance(rung, list) else [rung])]
    names += [name for name in ("staging", "production") if name not in names and "rungs" not in raw]
    given = raw.get("environments", {})
    environments = {name: {**LOCATION, **given.get(name, {})} for name in dict.fromkeys([*names, *given])}
    rungs = raw.get("rungs") or list(environments)
    try:
        load({"project": "shop", **raw, "rungs": rungs, "environments": environments}, tmp_path)
    except BadInputError as error:
        pytest.fail(f"{error}\n" + "\n".join(error.problems))


@pytest.mark.parametrize("example", _those("json"))
def test_json_can_be_read_and_a_smoke_case_is_one(example):
    text = example.text if example.text.lstrip().startswith(("{", "[")) else f"{{{example.text}}}"
    value = json.loads(text)
    if {"payload", "steps"} & set(value):
        smoke_case.parse({"case.json": text, "checks.py": "def check_total(answer): ...\n"})


@pytest.mark.parametrize("example", _those("python"))
def test_python_compiles_and_a_test_runs_it(example):
    compile(example.text, example.name, "exec")
    assert example.tests, "name the test that runs it"


@pytest.mark.parametrize("kinds", [("sh", "console"), ("yaml",), ("json",), ("python",)])
def test_most_examples_are_run(kinds):
    """By language: how many of them nothing runs may not grow unseen."""
    those = [each for each in EXAMPLES if each.kind in kinds]
    left = [each.name for each in those if each.reasons and not each.tests]
    assert len(left) <= len(those) // 2, left


def test_a_block_in_a_list_is_seen_and_its_comment_is_read():
    text = "1. Do:\n\n   <!-- example: needs AWS, tests/a.py -->\n   ```sh\n   inv status\n     --check\n   ```\n"
    (example,) = of_text("a.md", text)
    assert (example.line, example.kind, example.text) == (4, "sh", "inv status\n  --check\n")
    assert example.reasons == ["needs AWS"]
    assert example.tests == ["tests/a.py"]


def test_the_check_of_the_reference_compares_the_total_with_the_lines():
    page = (ROOT / "docs" / "reference" / "smoke-cases.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    space = {}
    exec(code, space)
    right = {"body": {"total": 5, "lines": [{"price": 2}, {"price": 3}]}}
    space["check_total"](right, {})
    with pytest.raises(AssertionError, match="the total is not the sum"):
        space["check_total"]({"body": {**right["body"], "total": 6}}, {})
    smoke_case.parse({"case.json": re.findall(r'(\{.*"check": "checks.py.*\})', page)[0], "checks.py": code})
