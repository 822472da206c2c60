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


INLINE, DISTRIBUTED = "in one history", "as executions of their own"
ALIKE = pytest.mark.long("the same states in the other mode of the Maps")


@pytest.fixture
def project(request, make_project):
    name = "distributed" if request.param == DISTRIBUTED else "several"
    deployment = "Canary10Percent5Minutes" if request.param == DISTRIBUTED else "AllAtOnce"
    return make_project(name, functions=NAMES[1:], distributed=request.param == DISTRIBUTED, deployment=deployment)


def mode(*modes):
    """Run a test in these modes of the Maps, the first of them always."""
    rest = [pytest.param(each, marks=ALIKE) for each in modes[1:]]
    return pytest.mark.parametrize("project", [modes[0], *rest], indirect=True)


def results(project):
    return {key: next(iter(project.ledger(key).history(key, limit=1))).result for key in TOP}


@mode(INLINE, DISTRIBUTED)
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


@mode(DISTRIBUTED, INLINE)
def test_one_that_fails_puts_all_back_and_the_cause_names_it(project, before, unique):
    project.ship(unique(BROKEN_ON_ONE))
    was = [before(project, key) for key in TOP]
    ended = project.promote()
    assert ended.code == 3, ended.message
    assert "production-biller: " in ended.message, "by its calls, or by the alarm on its errors"
    for each in was:
        each.check_unmoved()
    assert results(project) == dict.fromkeys(TOP, "rolled_back")
    causes = {key: next(iter(project.ledger(key).history(key, limit=1))).cause for key in TOP}
    assert not causes["production-biller"].startswith("SiblingFailed")
    assert causes["production-mailer"].startswith("SiblingFailed")


@mode(DISTRIBUTED, INLINE)
@pytest.mark.parametrize("kind", ["cut_after", pytest.param("throttle", marks=ALIKE)])
def test_a_call_that_is_lost_or_throttled_for_one_function_harms_none(project, before, unique, cloud, kind):
    digest = project.ship(unique(GOOD))
    cloud.faults({"service": "lambda", "action": "PublishVersion", "kind": kind, "count": 1})
    ended = project.promote()
    cloud.faults()
    assert ended.code == 0, ended.message
    assert {project.digest(key) for key in TOP} == {digest}
    before(project).check_quiet()


@mode(DISTRIBUTED)
def test_a_promotion_that_is_cut_off_while_functions_shift_leaves_all_as_they_were(
    project, midway, before, unique, eventually
):
    project.ship(unique(GOOD))
    was = [before(project, key) for key in TOP]
    with midway(project) as promotion:
        eventually(lambda: all(project.alias(key)[1] for key in TOP))
        (running,) = project.running()
        project.client("stepfunctions").stop_execution(executionArn=running, error="Stopped", cause="by hand")
        ended = promotion.result()
    assert ended.code == 3, ended.message
    for each in was:
        each.check_unmoved()
    assert results(project) == dict.fromkeys(TOP, "rolled_back")
    children = project.client("stepfunctions").list_map_runs(executionArn=running)["mapRuns"]
    assert children, "each target was an execution of its own"
