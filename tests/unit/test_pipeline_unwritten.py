import json

import pytest
from fakes.pipeline import EXECUTION, FUNCTION, OLD
from fakes.pipeline_calls import configure_validate, lock, validate


@pytest.fixture(autouse=True)
def environment(pipeline, monkeypatch, tmp_path):
    configure_validate(pipeline, monkeypatch, tmp_path)


def cut_off(pipeline, *, alias="8", expires=0, known="7", **pending):
    """Let a deploy that ended before the ledger was written leave its lock, with the alias on what it released."""
    entry = {"release_id": "r8", "environment": "production", "kind": "deploy", "version": "8", "previous_version": "7"}
    entry |= {"digest": OLD, "git_commit": "c0ffee", "requested_by": "ann", "result": "succeeded", "started_at": "now"}
    current = {"release_id": "r8", "version": "8", "digest": OLD, "input_key": "k", "config_hash": "h"}
    text = {"release": entry | {"ended_at": ""}, "current": current | {"alias_revision": ""}} | pending
    database = pipeline.aws.dynamodb
    database.put("env#production", "lock", run_id="other", version="8", previous_version="7", pending=json.dumps(text))
    database.items["env#production", "lock"]["expires"] = {"N": str(expires)}
    database.put("env#production", "current", release_id=f"r{known}", version=known, digest=OLD)
    pipeline.aws.lambda_.aliases[FUNCTION]["FunctionVersion"] = alias
    return database


def test_what_a_cut_off_deploy_left_unwritten_is_written_down_before_its_lock_is_taken(pipeline):
    database = cut_off(pipeline)
    assert validate(pipeline)["previous_version"] == "8"
    written = database.read("env#production", "release#r8")
    assert (written["version"], written["result"], written["requested_by"]) == ("8", "succeeded", "ann")
    assert "a promotion wrote it down" in written["cause"]
    assert written["ended_at"]
    assert database.read("env#production", "current")["release_id"] == "r8"
    assert lock(pipeline)["run_id"] == EXECUTION


def test_nothing_is_written_down_of_a_deploy_that_did_not_move_the_alias(pipeline):
    database = cut_off(pipeline, alias="7")
    validate(pipeline)
    assert not database.read("env#production", "release#r8")
    assert database.read("env#production", "current")["release_id"] == "r7"


def test_nothing_is_written_down_twice(pipeline):
    database = cut_off(pipeline, known="8")
    validate(pipeline)
    assert not database.read("env#production", "release#r8")


def test_nothing_is_written_down_while_the_deploy_may_be_at_work(pipeline):
    database = cut_off(pipeline, expires=10**10)
    with pytest.raises(pipeline.errors.LockedError):
        validate(pipeline)
    assert not database.read("env#production", "release#r8")


def test_a_rollback_that_was_to_mark_its_image_bad_is_left_to_a_command(pipeline):
    cut_off(pipeline, bad=["sha256:bad", {"marked_at": "now", "by": "ann", "why": "fails"}])
    with pytest.raises(pipeline.errors.RefusedError, match="`inv rollback --env production` finishes it"):
        validate(pipeline)
    assert lock(pipeline)["run_id"] == "other"


def test_a_lock_with_what_another_version_left_is_taken_as_it_is(pipeline):
    database = cut_off(pipeline, release={"unheard_of": "x"})
    validate(pipeline)
    assert not database.read("env#production", "release#r8")
    assert lock(pipeline)["run_id"] == EXECUTION
