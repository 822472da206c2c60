"""`inv image.prune` on fake AWS: what stays, whatever happens, and what goes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.dynamodb import FakeDynamoDB
from fakes.errors import DENIED, Scripted, error
from fakes.many_harness import ManyHarness

from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.images import prune as images_prune
from stepladder.images import revision
from stepladder.images.prune import Prune, PruneOptions
from stepladder.promotion import needed_images
from stepladder.releases import retention
from stepladder.settings.load import ImageSettings

OLD = datetime.now(UTC) - timedelta(days=30)
MADE = ("one", "two", "three", "four", "five", "six", "seven")


def tag(source: str) -> str:
    return hashlib.sha1(source.encode()).hexdigest()


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """A rung that was released seven times; every image is a month old."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    for days, source in enumerate(MADE):
        harness.source = source
        harness.deploy()
        harness.ecr.hold(digest(source), tag(source), pushed=OLD + timedelta(days=days))
    return harness


def prune(harness: DeployHarness, *, keep: int = 2, **request: Any) -> dict[str, Any]:
    rung = harness.rung()
    asked = PruneOptions(**{"yes": True, **request})
    return Prune(rung.aws, rung.names, rung.console, lambda: retention.images(rung, keep), asked).run()


def left(harness: DeployHarness) -> set[str]:
    return {source for source in (*MADE, "new") if digest(source) in harness.ecr.details}


def held(harness: DeployHarness) -> set[str]:
    return set(harness.ecr.details)


def test_what_was_released_lately_stays_and_the_rest_goes(harness: DeployHarness) -> None:
    record = prune(harness, keep=3)
    assert left(harness) == {"five", "six", "seven"}
    assert record == {
        "environment": "staging",
        "repository": "hello",
        "result": "pruned",
        "deleted": [digest(source) for source in ("one", "two", "three", "four")],
        "kept": {"released": 2, "served": 1},
        "bytes": 4_000_000,
    }
    assert [line.split()[0] for line in harness.out.getvalue().splitlines()] == [
        "delete",
        *(digest(source)[7:19] for source in ("one", "two", "three", "four")),
    ]


def test_what_refers_to_an_image_goes_with_it_and_stays_with_it(harness: DeployHarness) -> None:
    for source in ("one", "seven"):
        harness.ecr.hold(digest(f"{source} bom"), pushed=OLD, subject=digest(source))
        harness.ecr.hold(digest(f"{source} signature"), pushed=OLD, subject=digest(f"{source} bom"))
    harness.ecr.hold(digest("nobody's"), pushed=OLD, subject=digest("deleted by hand"))
    harness.ecr.hold(digest("young"), pushed=datetime.now(UTC), subject=digest("not pushed yet"))
    record = prune(harness, keep=3)
    assert record["kept"] == {"released": 2, "served": 1}, "a referrer is no image of its own"
    assert len(record["deleted"]) == 4
    rest = {
        name for name in ("one", "seven") for kind in ("bom", "signature") if digest(f"{name} {kind}") in held(harness)
    }
    assert rest == {"seven"}
    assert digest("nobody's") not in held(harness)
    assert digest("young") in held(harness)


def test_referrers_are_deleted_before_their_image_the_deepest_first(harness: DeployHarness) -> None:
    harness.ecr.hold(digest("bom"), pushed=OLD, subject=digest("one"))
    harness.ecr.hold(digest("signature"), pushed=OLD, subject=digest("bom"))
    gone: list[str] = []
    real = harness.ecr.batch_delete_image

    def deleted(*, imageIds: list[dict[str, str]], **rest: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
        gone.extend(each["imageDigest"] for each in imageIds)
        return real(imageIds=imageIds, **rest)

    harness.ecr.batch_delete_image = deleted  # type: ignore[method-assign]
    prune(harness, keep=6)
    assert gone == [digest("signature"), digest("bom"), digest("one")]


def test_an_environment_that_is_destroyed_leaves_nothing_that_refers_to_its_images(harness: DeployHarness) -> None:
    for source in ("one", "two"):
        harness.ecr.hold(digest(f"{source} bom"), pushed=datetime.now(UTC), subject=digest(source))
    harness.ecr.hold(digest("nobody's"), pushed=OLD, subject=digest("deleted by hand"))
    rung = harness.rung()
    images_prune.delete_whole(rung.aws, rung.names, [digest("one")])
    assert {digest("one"), digest("one bom")}.isdisjoint(held(harness))
    assert {digest("two"), digest("two bom"), digest("nobody's")} <= held(harness)


def test_what_refers_to_an_image_that_is_needed_again_is_not_deleted(harness: DeployHarness) -> None:
    harness.ecr.hold(digest("bom"), pushed=OLD, subject=digest("one"))
    rung = harness.rung()
    answers = [{}, {digest("one"): "served"}, {digest("one"): "served"}]
    Prune(rung.aws, rung.names, rung.console, lambda: answers.pop(0), PruneOptions(yes=True)).run()
    assert {digest("one"), digest("bom")} <= held(harness)


def test_what_an_alias_serves_stays_however_old(harness: DeployHarness) -> None:
    harness.function.point("1", {"2": 0.1})
    prune(harness, keep=2)
    assert left(harness) == {"one", "two", "six", "seven"}


def test_what_the_ledger_alone_remembers_stays(harness: DeployHarness) -> None:
    harness.function.versions.clear()
    harness.function.point("$LATEST")
    prune(harness, keep=2)
    assert left(harness) == {"six", "seven"}


def test_what_lambda_alone_remembers_stays(harness: DeployHarness) -> None:
    table = harness.table._table("hello-releases")
    for key in [k for k in table if k[1].startswith(("release#", "current"))]:
        del table[key]
    prune(harness, keep=2)
    assert left(harness) == {"six", "seven"}


@pytest.mark.parametrize(
    ("use", "value"),
    [("sources", ["1"]), ("provisioned_for", ["1"]), ("configured", ["1"]), ("executions", {"1": "RUNNING"})],
)
def test_the_image_of_a_version_in_use_stays_however_old(harness: DeployHarness, use: str, value: Any) -> None:
    setattr(harness.function, use, value)
    harness.function.versions["1"]["DurableConfig"] = {"ExecutionTimeout": 3600}
    prune(harness, keep=2)
    assert left(harness) == {"one", "six", "seven"}


def test_when_it_cannot_be_read_what_uses_the_versions_every_image_of_one_stays(harness: DeployHarness) -> None:
    harness.function.fail("ListEventSourceMappings", DENIED, times=9)
    prune(harness, keep=2)
    assert left(harness) == set(MADE)


def test_a_person_at_a_terminal_is_asked(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "ask", lambda _self, question: question == "delete 5 images?")
    prune(harness, keep=2, yes=False)
    assert left(harness) == {"six", "seven"}


def test_another_environments_last_releases_stay_though_these_settings_do_not_know_it(harness: DeployHarness) -> None:
    """An older checkout, or a production whose releases are fifty behind staging's."""
    ledger = harness.rung().ledger
    first = next(r for r in ledger.history("staging", limit=9) if r.digest == digest("one"))
    assert ledger.write(replace(first, environment="production"))
    prune(harness, keep=2)
    assert left(harness) == {"one", "six", "seven"}


def test_what_an_environment_left_behind_here_stays_though_the_settings_have_it_elsewhere(
    harness: DeployHarness,
) -> None:
    """Its functions go on here until somebody destroys them: the ledger of this account knows them."""
    ledger, rung = harness.rung().ledger, harness.rung()
    first = next(r for r in ledger.history("staging", limit=9) if r.digest == digest("one"))
    assert ledger.write(replace(first, environment="production"))
    moved = replace(rung.settings.environment("staging"), name="production", account="999999999999")
    settings = replace(rung.settings, environments={**rung.settings.environments, "production": moved})
    assert digest("one") in retention.images(replace(rung, settings=settings), 2)


class Promoting(Scripted):
    """One promotion, of two functions, that waits for an approval."""

    def list_executions(self, **given: Any) -> dict[str, Any]:
        self.called("ListExecutions")
        assert given["statusFilter"] == "RUNNING"
        return {"executions": [{"executionArn": "arn:x:run", "name": "run", "status": "RUNNING", "startDate": 1}]}

    def describe_execution(self, **_: Any) -> dict[str, Any]:
        targets = [{"environment": "production"}, {"environment": "production-mailer", "release": {"digest": "m"}}]
        given = json.dumps({"digest": digest("one"), "rungs": [{"targets": targets}]})
        return {"executionArn": "arn:x:run", "status": "RUNNING", "input": given, "startDate": OLD}


def test_what_a_promotion_under_way_releases_stays_however_old(harness: DeployHarness) -> None:
    rung, machine = harness.rung(), Promoting()
    harness.aws.clients["stepfunctions"] = machine
    needed = needed_images.needed(rung, 2)
    assert {needed[digest("one")], needed["m"]} == {"promoting"}
    assert needed[digest("seven")] == "served"
    machine.fail("ListExecutions", DENIED)
    with pytest.raises(type(DENIED)):
        needed_images.needed(rung, 2)
    machine.fail("ListExecutions", error("StateMachineDoesNotExist"))
    assert digest("one") not in needed_images.needed(rung, 2)


def test_credentials_of_another_account_than_the_promotions_can_prune(harness: DeployHarness) -> None:
    rung, machine = harness.rung(), Promoting()
    harness.aws.clients["stepfunctions"] = machine
    machine.fail("ListExecutions", DENIED)
    below = replace(rung.settings.environment("staging"), name="dev", account="999999999999")
    settings = replace(
        rung.settings, environments={**rung.settings.environments, "dev": below}, rungs=(("dev",), ("staging",))
    )
    assert needed_images.needed(replace(rung, settings=settings), 2)[digest("seven")] == "served"


def test_what_any_function_of_any_environment_needs_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a function that these settings know, and of one that only the ledger does."""
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {"mailer": {"image": {"context": "functions/mailer"}}, "gone": {}})
    for days, source in enumerate(("one", "two", "three", "four")):
        harness.source, harness.own_source["functions/mailer"] = source, f"mail {source}"
        harness.deploy_many()
        for each in (source, f"mail {source}"):
            harness.ecr.hold(digest(each), tag(each), pushed=OLD + timedelta(days=days))
    harness.own_source["functions/mailer"] = "mail five"
    harness.deploy_many()
    harness.ecr.hold(digest("mail five"), tag("mail five"), pushed=OLD)
    first = next(r for r in harness.rung().ledger.history("staging-gone", limit=9) if r.digest == digest("one"))
    assert harness.rung().ledger.write(replace(first, environment="staging-unknown"))
    harness.ecr.hold(digest("nobody's"), tag("nobody's"), pushed=OLD)
    rung = harness.rung()
    own = retention.kept_by_function(rung.settings, 0)
    assert own == {"mailer": 50, "gone": 50}
    needed = lambda: retention.images(rung, 2, {"mailer": 3})  # noqa: E731 - what the task passes
    record = Prune(rung.aws, rung.names, rung.console, needed, PruneOptions(yes=True)).run()
    assert set(record["deleted"]) == {digest(each) for each in ("two", "mail one", "mail two", "nobody's")}
    assert set(harness.ecr.details) == {
        digest(each) for each in ("one", "three", "four", "mail three", "mail four", "mail five")
    }


def test_an_image_that_was_just_pushed_stays(harness: DeployHarness) -> None:
    harness.ecr.hold(digest("new"), tag("new"), pushed=datetime.now(UTC))
    assert prune(harness)["kept"]["young"] == 1
    assert "new" in left(harness)
    prune(harness, min_age_hours=0)
    assert "new" not in left(harness)


@pytest.mark.parametrize("tags", [(), ("v1.0",), (tag("one"), "keep-me"), ("sha256-" + "0" * 64 + ".sig",)])
def test_images_under_other_tags_than_ours_stay(harness: DeployHarness, tags: tuple[str, ...]) -> None:
    harness.ecr.hold(digest("one"), *tags, pushed=OLD)
    assert prune(harness)["kept"]["foreign"] == 1
    assert "one" in left(harness)


@pytest.mark.parametrize("changed", [(), ("function/app/handler.py",)])
@pytest.mark.parametrize("commit", ["", "0" * 40, "f" * 64])
def test_every_tag_that_we_give_is_known_as_ours(commit: str, changed: tuple[str, ...]) -> None:
    assert revision.is_tag(revision.SourceRevision(commit, changed).tag("ab" * 32))


def test_nothing_is_deleted_without_yes(harness: DeployHarness) -> None:
    with pytest.raises(RefusedError, match="5 images would be deleted") as caught:
        prune(harness, yes=False)
    assert "`inv image.prune --env staging --yes`" in caught.value.hint
    rung, options = harness.rung(), PruneOptions(keep=6, min_age_hours=48)
    with pytest.raises(RefusedError, match="1 image would be deleted") as caught:
        Prune(rung.aws, rung.names, rung.console, lambda: retention.images(rung, 6), options).run()
    assert "`inv image.prune --env staging --keep 6 --min-age-hours 48 --yes`" in caught.value.hint
    assert left(harness) == set(MADE)


def test_a_dry_run_tells_and_deletes_nothing(harness: DeployHarness) -> None:
    record = prune(harness, dry_run=True)
    assert (record["result"], len(record["to_delete"]), record["deleted"]) == ("dry_run", 5, [])
    assert left(harness) == set(MADE)


def test_a_second_run_has_nothing_to_do(harness: DeployHarness) -> None:
    prune(harness)
    assert prune(harness, yes=False)["result"] == "unchanged"


def test_an_image_that_is_released_between_plan_and_deletion_stays(harness: DeployHarness) -> None:
    harness.sts.before("GetCallerIdentity", lambda: None)
    harness.sts.before("GetCallerIdentity", lambda: harness.function.point("1"))
    record = prune(harness)
    assert digest("one") not in record["deleted"]
    assert "one" in left(harness)


def test_an_image_that_is_released_while_it_is_deleted_is_told(harness: DeployHarness) -> None:
    harness.ecr.before("BatchDeleteImage", lambda: harness.function.point("1"))
    with pytest.raises(StepladderError, match=f"while they were being deleted: {digest('one')}"):
        prune(harness)


def test_an_image_that_ecr_keeps_is_told(harness: DeployHarness) -> None:
    harness.ecr.stuck.add(digest("two"))
    with pytest.raises(StepladderError, match="1 images are still there"):
        prune(harness)


@pytest.mark.parametrize("action", ["ListAliases", "GetFunction", "ListVersionsByFunction"])
def test_nothing_is_deleted_when_lambda_does_not_answer(harness: DeployHarness, action: str) -> None:
    harness.function.fail(action, DENIED)
    with pytest.raises(type(DENIED)):
        prune(harness)
    assert left(harness) == set(MADE)


@pytest.mark.parametrize("action", ["Scan", "Query"])
def test_nothing_is_deleted_when_the_ledger_does_not_answer(harness: DeployHarness, action: str) -> None:
    harness.table.fail(action, error("ResourceNotFoundException"))
    with pytest.raises(type(DENIED)):
        prune(harness)
    assert left(harness) == set(MADE)


def test_nothing_is_deleted_with_another_accounts_credentials(harness: DeployHarness) -> None:
    harness.sts.account = "000000000000"
    with pytest.raises(RefusedError, match="reach account 000000000000"):
        prune(harness)
    assert left(harness) == set(MADE)


def test_nothing_is_deleted_when_a_version_does_not_tell_its_image(harness: DeployHarness) -> None:
    harness.function.versions["7"]["ImageUri"] = "somewhere:latest"
    with pytest.raises(RefusedError, match="version 7 of hello-staging doesn't name its image"):
        prune(harness)
    assert left(harness) == set(MADE)


def test_a_repository_that_is_not_there_is_told(harness: DeployHarness) -> None:
    harness.ecr.fail("DescribeImages", error("RepositoryNotFoundException"))
    with pytest.raises(NotReadyError, match="no ECR repository hello"):
        prune(harness)


def test_an_environment_that_was_never_deployed_needs_nothing(tmp_path: Path) -> None:
    harness = DeployHarness(tmp_path)
    harness.aws.clients["dynamodb"] = FakeDynamoDB("hello-releases")
    harness.ecr.hold(digest("one"), tag("one"), pushed=OLD)
    assert prune(harness)["deleted"] == [digest("one")]


@pytest.mark.parametrize("keep", [-1, 1, 1001])
def test_how_many_stay_is_checked(keep: int) -> None:
    with pytest.raises(BadInputError, match=f"--keep is {keep}"):
        ImageSettings().kept_releases(keep)


def test_the_setting_decides_how_many_stay_unless_told() -> None:
    assert (ImageSettings(keep=7).kept_releases(0), ImageSettings(keep=7).kept_releases(9)) == (7, 9)


def test_an_age_below_zero_is_bad_input(harness: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="--min-age-hours is -1"):
        prune(harness, min_age_hours=-1)


def test_the_record_is_json(harness: DeployHarness) -> None:
    assert json.loads(json.dumps(prune(harness)))["result"] == "pruned"
