"""Locks that a promotion could not give back: whoever comes next recovers them, and the ledger stays true."""

from __future__ import annotations

import pytest

from stepladder.releases import ended_promotion

pytestmark = [pytest.mark.cloud, pytest.mark.faults]

GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n"
BROKEN = (
    "def handler(event, context):\n    return {'statusCode': 500 if 'production' in context.function_name else 200}\n"
)
DELETES = {"service": "dynamodb", "action": "DeleteItem", "kind": "error"}
TRIES = 6 * 2  # the definition's, for each of two rungs


def locks(project):
    return {name: project.ledger(name).snapshot(name).lock for name in project.settings.ladder_environments}


@pytest.mark.parametrize(("source", "code"), [(GOOD, 0), (BROKEN, 4)], ids=["promoted", "refused"])
def test_whoever_watches_gives_back_what_the_promotion_could_not(source, code, cloud, make_project, before, unique):
    project = make_project("locks")
    project.ship(unique(source))
    was = before(project)
    cloud.faults(DELETES | {"count": TRIES})
    ended = project.promote()
    assert ended.code == code, ended.message
    assert locks(project) == {"staging": None, "production": None}
    entries = {name: list(project.ledger(name).history(name, limit=1)) for name in project.settings.ladder_environments}
    assert [e.result for e in entries["production"]] == [{0: "succeeded", 4: "failed"}[code]]
    assert ended.record["release_id"] not in {e.release_id for e in entries["staging"]}, "staging was unchanged"
    was.check_quiet()


@pytest.mark.parametrize("environment", ["staging", "production"])
def test_the_next_command_takes_over_from_a_promotion_that_has_ended(
    environment, cloud, make_project, before, unique, monkeypatch
):
    project = make_project("locks")
    project.ship(unique(GOOD))
    was = before(project)
    cloud.faults(DELETES | {"count": 0})
    with monkeypatch.context() as patch:  # nobody watches to the end
        patch.setattr(ended_promotion, "_BRIEF", 0)
        assert project.promote().code == 0
    cloud.faults()
    assert ":execution:" in locks(project)[environment].run_id
    rung = project.rung(environment)
    with rung.locked(rung.ledger.snapshot(environment).lock):
        pass
    assert project.promote(force=True).code == 0
    was.check_quiet()
