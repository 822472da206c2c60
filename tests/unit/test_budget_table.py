"""The comparison of what a command cost with the table of budgets."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import budgets
import pytest
import yaml
from budgets import Cost

TESTS = Path(__file__).resolve().parents[1]
ROW = {
    "calls": {"lambda:Invoke": 1},
    "polls": {"lambda:GetFunction": 3},
    "programs": ["git status"],
    "modules": 100,
    "states": 5,
    "never": ["docker"],
}


def cost(**changes):
    given = {
        "calls": Counter({"lambda:Invoke": 1, "lambda:GetFunction": 2}),
        "programs": ["git status"],
        "modules": frozenset({"yaml", "dockerfile"}),
        "figures": {"modules": 95, "states": 5},
    }
    return Cost(**given | changes)


@pytest.fixture
def table(tmp_path, monkeypatch):
    path = tmp_path / "budgets.yaml"
    path.write_text(yaml.safe_dump({"deploy": ROW}))
    monkeypatch.setattr(budgets, "TABLE", path)


def test_what_costs_as_much_as_the_table_says_passes(table):
    budgets.check("deploy", cost())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"calls": Counter({"lambda:Invoke": 2})}, "now 2 calls of lambda:Invoke, budget 1\n"),
        ({"calls": Counter()}, "now 0 calls of lambda:Invoke, budget 1: lower the budget"),
        ({"calls": Counter({"lambda:Invoke": 1, "s3:GetObject": 1})}, "now 1 calls of s3:GetObject, budget 0"),
        ({"calls": Counter({"lambda:Invoke": 1, "lambda:GetFunction": 4})}, "now 4 lambda:GetFunction, at most 3"),
        ({"programs": []}, "it started [], budget ['git status']"),
        ({"figures": {"modules": 101, "states": 5}}, "now 101 modules, budget 100\n"),
        ({"figures": {"modules": 89, "states": 5}}, "now 89 modules, budget 100: lower the budget"),
        ({"figures": {"modules": 95, "states": 4}}, "now 4 states, budget 5: lower the budget"),
        ({"modules": frozenset({"docker.api"})}, "it imported docker.api"),
    ],
)
def test_what_costs_more_or_less_is_said_with_the_row_as_measured(table, changes, said):
    with pytest.raises(pytest.fail.Exception, match=re.escape(said)) as caught:
        budgets.check("deploy", cost(**changes))
    assert "measured:\ndeploy:\n" in str(caught.value)


def test_every_row_of_the_table_is_compared_somewhere():
    names = yaml.safe_load((TESTS / "budgets.yaml").read_text("utf-8"))
    text = "".join(path.read_text("utf-8") for path in TESTS.rglob("test_*.py"))
    assert [name for name in names if f'"{name}"' not in text] == []
