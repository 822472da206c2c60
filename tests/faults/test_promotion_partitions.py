"""Promotions in other AWS partitions: every ARN and every task of the state machine is the partition's own."""

from __future__ import annotations

import pytest

from localcloud import daemon

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
def test_a_release_is_promoted_in(region, make_project, before, unique):
    place = (daemon.ACCOUNT, region)
    project = make_project(region, remote={"staging": place, "production": place})
    digest = project.ship(unique(GOOD))
    was = before(project)
    ended = project.promote()
    assert ended.code == 0, ended.message
    assert ended.record["execution_arn"].split(":")[1] == {"us": "aws-us-gov", "cn": "aws-cn"}[region[:2]]
    assert project.digest() == digest
    was.check_quiet()
