"""The local cloud's decisions beside those of iam-simulate, an evaluator of IAM policies by others."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import iam_ci
import iam_generator
import iam_product
import iam_simulator
import iam_tables
import pytest
from iam_cases import PolicyCase

ROOT = Path(__file__).resolve().parents[2]
GENERATED = 2000
SEED = 20261126
UNANSWERED = ('error {"message":"multiple.resource.types"}', 'error {"message":"no.resource.types"}')
"""An ARN of a function's alias could be one of a version, and AWS's data has none of HTTP APIs: neither is decided."""


@dataclass(frozen=True)
class Disagreement:
    """Cases in which the two differ, and the page of AWS that says who is right: the local cloud."""

    why: str
    page: str
    includes: Callable[[PolicyCase], bool]


def _granted_past_session(case):
    """Say whether a resource's policy allows the session itself, which a session policy doesn't limit."""
    alone = replace(case, identity=(), boundary=None, session=None)
    return case.session is not None and alone.decided().allowed


DISAGREEMENTS = (
    Disagreement(
        "a session policy limits no grant to the session itself, or to everybody",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html",
        _granted_past_session,
    ),
    Disagreement(
        "version 2008-10-17 of the language has no variables",
        "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_version.html",
        lambda case: any(each["Version"] == "2008-10-17" and "${" in str(each) for each in case.identity),
    ),
)


def _outcome(decision):
    if decision.allowed:
        return "Allowed"
    return "ExplicitlyDenied" if decision.explicit else "ImplicitlyDenied"


TABLES = {
    "conditions": iam_tables.of_conditions,
    "principals": iam_tables.of_principals,
    "names": iam_tables.of_names,
    "the product": iam_product.of_product,
    "CI jobs": iam_ci.of_ci,
    "generated": lambda: iam_generator.generated(GENERATED, SEED),
}


@pytest.fixture(scope="module")
def compared():
    """Every case with both outcomes: one process of Node.js answers them all."""
    cases = [(table, case) for table, cases in TABLES.items() for case in cases()]
    outcomes = iam_simulator.simulate(case for _, case in cases)
    return [(table, case, case.decided(), simulated) for (table, case), simulated in zip(cases, outcomes, strict=True)]


@pytest.mark.parametrize("table", TABLES)
def test_a_decision_is_that_of_another_evaluator(compared, table):
    rows = [(case, decision, simulated) for each, case, decision, simulated in compared if each == table]
    different = [
        f"{case.name}: {_outcome(decision)}, by iam-simulate {simulated}"
        for case, decision, simulated in rows
        if simulated not in (_outcome(decision), *UNANSWERED)
        and not decision.unknown
        and not any(each.includes(case) for each in DISAGREEMENTS)
    ]
    assert different == []
    assert {simulated for _, _, simulated in rows} >= {"Allowed", "ImplicitlyDenied"}


@pytest.mark.parametrize("disagreement", DISAGREEMENTS, ids=lambda each: each.why)
def test_a_listed_disagreement_still_is_one(compared, disagreement):
    assert any(
        _outcome(decision) != simulated and disagreement.includes(case) for _, case, decision, simulated in compared
    )


def test_the_clouds_reference_of_actions_is_that_of_the_pinned_package():
    spec = importlib.util.spec_from_file_location("iam_reference", ROOT / "docs" / "iam_reference.py")
    iam_reference = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(iam_reference)
    data = iam_simulator.reference_data()
    differing = [
        service
        for service in iam_reference.SERVICES
        if (iam_reference.REFERENCE / f"{service}.json").read_text("utf-8") != iam_reference.written(data, service)
    ]
    assert differing == [], f"write them: python docs/iam_reference.py {data}"
