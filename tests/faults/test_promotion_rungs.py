"""A rung with two targets is released on both or on neither."""

from __future__ import annotations

import json

import pytest

from stepladder.ledger.schema import InfraRecord

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BROKEN_ON_ONE = """
def handler(event, context):
    if context.%s('-produs%s'):
        raise ValueError('broken there')
    return {'statusCode': 200}
"""
RUNG = ("prodeu", "produs")


@pytest.fixture
def wide(make_project):
    return make_project("wide", rungs=["staging", list(RUNG)])


def results(project):
    return {name: next(iter(project.ledger().history(name, limit=1))).result for name in RUNG}


def test_both_targets_are_released(wide, before, unique):
    digest = wide.ship(unique(GOOD))
    ended = wide.promote()
    assert ended.code == 0, ended.message
    assert {wide.digest(name) for name in RUNG} == {digest}
    assert results(wide) == {"prodeu": "succeeded", "produs": "succeeded"}
    before(wide, "prodeu").check_quiet()


def test_each_target_is_tested_with_the_outputs_of_its_own_terraform(wide, unique):
    names = ("staging", *RUNG)
    wide.case(
        payload={"table": "${output.table}"}, expect={"result": {"table": "${output.table}", "of": "${output.of}"}}
    )
    source = "def handler(event, context):\n    return {**event, 'of': context.function_name.split('-')[-1]}\n"
    digest = wide.ship(unique(source))
    try:
        refused = wide.promote()
        assert (refused.code, {wide.digest(name) for name in RUNG} & {digest}) == (4, set())
        assert "use of, table, which staging has no output of" in refused.message
        for name in names:
            outputs = json.dumps({"of": name, "table": f"orders-{name}"})
            wide.ledger(name).record_infra(name, InfraRecord("h", "p", "2026-11-26T00:00:00Z", outputs=outputs))
        ended = wide.promote()
        assert ended.code == 0, ended.message
        assert {wide.digest(name) for name in RUNG} == {digest}
    finally:
        wide.case()


@pytest.mark.parametrize(
    ("source", "other"),
    [
        (BROKEN_ON_ONE % ("function_name.endswith", ""), "failed"),
        (BROKEN_ON_ONE % ("invoked_function_arn.endswith", ":live"), "rolled_back"),
    ],
    ids=["before its traffic", "after its traffic"],
)
def test_when_one_fails_the_other_is_put_back(source, other, wide, before, unique):
    wide.ship(unique(source))
    was = [before(wide, name) for name in RUNG]
    ended = wide.promote()
    assert ended.code == 3, ended.message
    assert "produs" in ended.message
    assert "broken there" in ended.message
    for each in was:
        each.check_unmoved()
    assert results(wide) == {"prodeu": "rolled_back", "produs": other}


@pytest.mark.parametrize("kind", ["throttle", "error", "timeout", "access_denied", "malformed"])
def test_when_the_other_can_not_be_put_back_a_person_must_look(kind, wide, before, unique, cloud):
    wide.ship(unique(BROKEN_ON_ONE % ("function_name.endswith", "")))
    was = [before(wide, name) for name in RUNG]
    rule = {"service": "lambda", "action": "Invoke", "body": '"action": "restore"', "count": 0, "seconds": 0.05}
    cloud.faults(rule | {"kind": kind})
    ended = wide.promote()
    cloud.faults()
    assert "RollBackReleasedTarget" in wide.entered(ended.record["execution_arn"])
    if kind == "malformed":  # the function did its work, only its answers were lost
        assert ended.code == 5, ended.message
    assert ended.code == 5, ended.message
    assert results(wide) == {"prodeu": "rollback_failed", "produs": "failed"}
    wide.client("lambda").update_alias(
        FunctionName=wide.function("prodeu"), Name="live", FunctionVersion=was[0].alias[0]
    )
    was[0].check_quiet()
