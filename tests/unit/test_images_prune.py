"""`inv image.prune` on fake AWS: what stays, whatever happens, and what goes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.dynamodb import FakeDynamoDB
from fakes.errors import DENIED, error
from fakes.world import World, digest

from stepladder.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.images import revision
from stepladder.images.prune import Prune, Request
from stepladder.releases import needed
from stepladder.settings import ImageSettings

OLD = datetime.now(UTC) - timedelta(days=30)
MADE = ("one", "two", "three", "four", "five", "six", "seven")


def tag(source: str) -> str:
    return hashlib.sha1(source.encode()).hexdigest()


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A rung that was released seven times; every image is a month old."""
    monkeypatch.delenv("CI", raising=False)
    world = World(tmp_path)
    for days, source in enumerate(MADE):
        world.source = source
        world.deploy()
        world.ecr.hold(digest(source), tag(source), pushed=OLD + timedelta(days=days))
    return world


def prune(world: World, *, keep: int = 2, **request: Any) -> dict[str, Any]:
    rung = world.rung()
    asked = Request(**{"yes": True, **request})
    return Prune(rung.aws, rung.names, rung.console, lambda: needed.images(rung, keep), asked).run()


def left(world: World) -> set[str]:
    return {source for source in (*MADE, "new") if digest(source) in world.ecr.details}


def test_what_was_released_lately_stays_and_the_rest_goes(world: World) -> None:
    record = prune(world, keep=3)
    assert left(world) == {"five", "six", "seven"}
    assert record == {
        "environment": "staging",
        "repository": "hello",
        "result": "pruned",
        "deleted": [digest(source) for source in ("one", "two", "three", "four")],
        "kept": {"released": 2, "served": 1},
    }
    assert [line.split()[0] for line in world.out.getvalue().splitlines()] == [
        "delete",
        *(digest(source)[7:19] for source in ("one", "two", "three", "four")),
    ]


def test_what_an_alias_serves_stays_however_old(world: World) -> None:
    world.function.point("1", {"2": 0.1})
    prune(world, keep=2)
    assert left(world) == {"one", "two", "six", "seven"}


def test_what_the_ledger_alone_remembers_stays(world: World) -> None:
    world.function.versions.clear()
    world.function.point("$LATEST")
    prune(world, keep=2)
    assert left(world) == {"six", "seven"}


def test_what_lambda_alone_remembers_stays(world: World) -> None:
    table = world.table._table("hello-releases")
    for key in [k for k in table if k[1].startswith(("release#", "current"))]:
        del table[key]
    prune(world, keep=2)
    assert left(world) == {"six", "seven"}


def test_another_environments_last_releases_stay_though_these_settings_do_not_know_it(world: World) -> None:
    """An older checkout, or a production whose releases are fifty behind staging's."""
    ledger = world.rung().ledger
    first = next(r for r in ledger.history("staging", limit=9) if r.digest == digest("one"))
    assert ledger.write(replace(first, environment="production"))
    prune(world, keep=2)
    assert left(world) == {"one", "six", "seven"}


def test_an_image_that_was_just_pushed_stays(world: World) -> None:
    world.ecr.hold(digest("new"), tag("new"), pushed=datetime.now(UTC))
    assert prune(world)["kept"]["young"] == 1
    assert "new" in left(world)
    prune(world, min_age_hours=0)
    assert "new" not in left(world)


@pytest.mark.parametrize("tags", [(), ("v1.0",), (tag("one"), "keep-me"), ("sha256-" + "0" * 64 + ".sig",)])
def test_images_under_other_tags_than_ours_stay(world: World, tags: tuple[str, ...]) -> None:
    world.ecr.hold(digest("one"), *tags, pushed=OLD)
    assert prune(world)["kept"]["foreign"] == 1
    assert "one" in left(world)


@pytest.mark.parametrize("changed", [(), ("function/app/handler.py",)])
@pytest.mark.parametrize("commit", ["", "0" * 40, "f" * 64])
def test_every_tag_that_we_give_is_known_as_ours(commit: str, changed: tuple[str, ...]) -> None:
    assert revision.is_tag(revision.Revision(commit, changed).tag("ab" * 32))


def test_nothing_is_deleted_without_yes(world: World) -> None:
    with pytest.raises(RefusedError, match="5 images would be deleted"):
        prune(world, yes=False)
    assert left(world) == set(MADE)


def test_a_dry_run_tells_and_deletes_nothing(world: World) -> None:
    record = prune(world, dry_run=True)
    assert (record["result"], len(record["to_delete"]), record["deleted"]) == ("dry_run", 5, [])
    assert left(world) == set(MADE)


def test_a_second_run_has_nothing_to_do(world: World) -> None:
    prune(world)
    assert prune(world, yes=False)["result"] == "unchanged"


def test_an_image_that_is_released_between_plan_and_deletion_stays(world: World) -> None:
    world.sts.before("GetCallerIdentity", lambda: None)
    world.sts.before("GetCallerIdentity", lambda: world.function.point("1"))
    record = prune(world)
    assert digest("one") not in record["deleted"]
    assert "one" in left(world)


def test_an_image_that_is_released_while_it_is_deleted_is_told(world: World) -> None:
    world.ecr.before("BatchDeleteImage", lambda: world.function.point("1"))
    with pytest.raises(StepladderError, match=f"while they were being deleted: {digest('one')}"):
        prune(world)


def test_an_image_that_ecr_keeps_is_told(world: World) -> None:
    world.ecr.stuck.add(digest("two"))
    with pytest.raises(StepladderError, match="1 images are still there"):
        prune(world)


@pytest.mark.parametrize("action", ["ListAliases", "GetFunction", "ListVersionsByFunction"])
def test_nothing_is_deleted_when_lambda_does_not_answer(world: World, action: str) -> None:
    world.function.fail(action, DENIED)
    with pytest.raises(type(DENIED)):
        prune(world)
    assert left(world) == set(MADE)


@pytest.mark.parametrize("action", ["Scan", "Query"])
def test_nothing_is_deleted_when_the_ledger_does_not_answer(world: World, action: str) -> None:
    world.table.fail(action, error("ResourceNotFoundException"))
    with pytest.raises(type(DENIED)):
        prune(world)
    assert left(world) == set(MADE)


def test_nothing_is_deleted_with_another_accounts_credentials(world: World) -> None:
    world.sts.account = "000000000000"
    with pytest.raises(RefusedError, match="reach account 000000000000"):
        prune(world)
    assert left(world) == set(MADE)


def test_nothing_is_deleted_when_a_version_does_not_tell_its_image(world: World) -> None:
    world.function.versions["7"]["ImageUri"] = "somewhere:latest"
    with pytest.raises(RefusedError, match="version 7 of hello-staging doesn't tell its image"):
        prune(world)
    assert left(world) == set(MADE)


def test_a_repository_that_is_not_there_is_told(world: World) -> None:
    world.ecr.fail("DescribeImages", error("RepositoryNotFoundException"))
    with pytest.raises(NotReadyError, match="no ECR repository hello"):
        prune(world)


def test_an_environment_that_was_never_deployed_needs_nothing(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.aws.clients["dynamodb"] = FakeDynamoDB("hello-releases")
    world.ecr.hold(digest("one"), tag("one"), pushed=OLD)
    assert prune(world)["deleted"] == [digest("one")]


@pytest.mark.parametrize("keep", [-1, 1, 1001])
def test_how_many_stay_is_checked(keep: int) -> None:
    with pytest.raises(BadInputError, match=f"--keep is {keep}"):
        ImageSettings().kept(keep)


def test_the_setting_decides_how_many_stay_unless_told() -> None:
    assert (ImageSettings(keep=7).kept(0), ImageSettings(keep=7).kept(9)) == (7, 9)


def test_an_age_below_zero_is_bad_input(world: World) -> None:
    with pytest.raises(BadInputError, match="--min-age-hours is -1"):
        prune(world, min_age_hours=-1)


def test_the_record_is_json(world: World) -> None:
    assert json.loads(json.dumps(prune(world)))["result"] == "pruned"
