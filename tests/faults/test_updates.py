"""An update of the function that Lambda turns away or fails: 409 while another is under way, LastUpdateStatus Failed.

Traffic stays where it was in each case, and the next run goes on.
"""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
CONFLICT = {"service": "lambda", "kind": "error", "code": "ResourceConflictException", "status": 409}


@pytest.fixture
def project(make_project: Any, unique: Any) -> Any:
    """A project whose production was released, with another image on staging."""
    project = make_project("plain")
    project.ship(unique(GOOD))
    return project


def latest(project: Any) -> tuple[str, str]:
    """Return the image that production's $LATEST names, and how its last update ended."""
    name = project.function("production")
    project.wait(name, "production")
    answer = project.client("lambda", "production").get_function(FunctionName=name)
    return answer["Code"]["ResolvedImageUri"].rpartition("@")[2], answer["Configuration"]["LastUpdateStatus"]


@pytest.mark.parametrize("action", ["UpdateFunctionCode", "PublishVersion"])
def test_a_promotion_waits_while_another_update_is_under_way(action, project, before, cloud):
    was = before(project)
    digest = project.digest("staging")
    cloud.faults(CONFLICT | {"action": action, "count": 4})
    ended = project.promote()
    assert cloud.hits() == 4
    assert ended.code == 0, ended.message
    assert (project.digest(), latest(project)) == (digest, (digest, "Successful"))
    was.check_quiet()


def test_a_promotion_that_meets_an_update_without_end_is_refused_and_nothing_has_changed(project, before, cloud):
    was, code = before(project), latest(project)
    cloud.faults(CONFLICT | {"action": "UpdateFunctionCode", "count": 0})
    ended = project.promote()
    cloud.faults()
    assert ended.code == 4, ended.message
    assert "does not take the image yet" in ended.message
    assert latest(project) == code
    was.check_unmoved()


def test_a_promotion_whose_update_fails_gives_latest_the_image_that_serves_and_the_next_one_succeeds(
    project, before, cloud
):
    was, digest = before(project), project.digest("staging")
    cloud.info.request("lambda/fail", "POST", {"function": project.function("production"), "reason": "a bad day"})
    ended = project.promote()
    assert ended.code == 4, ended.message
    assert "could not take the image: a bad day; $LATEST has the image of version" in ended.message
    assert latest(project) == (was.digest, "Successful")
    was.check_unmoved()
    again = project.promote()
    assert again.code == 0, again.message
    assert project.digest() == digest
    was.check_quiet()
