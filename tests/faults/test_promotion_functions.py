"""Several functions on each rung: those that a rung lacks are promoted together, all or none."""

from __future__ import annotations

import pytest

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BROKEN_ON_ONE = """
def handler(event, context):
    if context.invoked_function_arn.endswith('-production-biller:live'):
        raise ValueError('broken there')
    return {'statusCode': 200}
"""
NAMES = ("", "biller", "mailer")
TOP = ("production", "production-biller", "production-mailer")


@pytest.fixture(params=[False, True], ids=["in one history", "as executions of their own"])
def project(request, make_project):
    name = "distributed" if request.param else "several"
    return make_project(name, functions=NAMES[1:], distributed=request.param)


def results(project):
    return {key: next(iter(project.ledger(key).history(key, limit=1))).result for key in TOP}


def test_what_a_rung_lacks_is_promoted_and_nothing_else(project, before, unique):
    digest = project.ship(unique(GOOD))
    ended = project.promote()
    assert ended.code == 0, ended.message + ended.text
    assert {project.digest(key) for key in TOP} == {digest}
    before(project).check_quiet()
    again = project.promote()
    assert (again.code, again.record["how"]) == (0, "unchanged")
    was = {key: project.alias(key) for key in TOP}
    changed = project.push(unique(GOOD))
    project.release("staging-mailer", changed)
    ended = project.promote()
    assert ended.code == 0, ended.message
    assert {target["environment"] for target in ended.record["targets"]} == {"staging-mailer", "production-mailer"}
    assert project.digest("production-mailer") == changed.rpartition("@")[2]
    assert {key: project.alias(key) for key in TOP[:2]} == {key: was[key] for key in TOP[:2]}


def test_one_that_fails_puts_all_back_and_the_cause_names_it(project, before, unique):
    project.ship(unique(BROKEN_ON_ONE))
    was = [before(project, key) for key in TOP]
    ended = project.promote()
    assert ended.code == 3, ended.message
    assert "production-biller: " in ended.message
    assert "broken there" in ended.message
    for each in was:
        each.check_unmoved()
    assert results(project) == dict.fromkeys(TOP, "rolled_back")
    causes = {key: next(iter(project.ledger(key).history(key, limit=1))).cause for key in TOP}
    assert "broken there" in causes["production-biller"]
    assert causes["production-mailer"].startswith("SiblingFailed")


@pytest.mark.parametrize("kind", ["cut_after", "throttle"])
def test_a_call_that_is_lost_or_throttled_for_one_function_harms_none(project, before, unique, cloud, kind):
    digest = project.ship(unique(GOOD))
    cloud.faults({"service": "lambda", "action": "PublishVersion", "kind": kind, "count": 1})
    ended = project.promote()
    cloud.faults()
    assert ended.code == 0, ended.message
    assert {project.digest(key) for key in TOP} == {digest}
    before(project).check_quiet()
