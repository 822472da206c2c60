"""What somebody changed by hand behind Terraform's back: it is set back, or refused by name, never live unseen."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.deploy_harness import REPOSITORY, DeployHarness, digest
from fakes.errors import DENIED

from stepladder.aws_lambda import alias
from stepladder.commands import invoke, release_existing, status
from stepladder.commands.rollback import Rollback
from stepladder.core.errors import NotReadyError, RefusedError, RepositoryMissingError
from stepladder.promotion import subject
from stepladder.releases import live_smoke, registered
from stepladder.releases.interfaces import ReleaseImage

ROOT = Path(__file__).resolve().parents[2]
BY_HAND = {"MemorySize": 1024, "Environment": {"Variables": {"HAND": "secret"}}}
APPLIED = {"MemorySize": 256, "Environment": None}


@pytest.fixture
def edited(live: DeployHarness) -> DeployHarness:
    """A rung whose memory and variables somebody changed in the console."""
    live.terraform = dict(APPLIED)
    live.function.configure(**BY_HAND)
    return live


def test_a_configuration_that_was_changed_by_hand_is_set_back_before_the_next_release(edited: DeployHarness) -> None:
    edited.source = "two"
    report = edited.deploy()
    assert edited.applied == ["service"]
    published = edited.function.versions[report.version]
    assert (published["MemorySize"], published["Environment"]) == (256, None)
    assert "changed by hand: MemorySize: 256 -> 1024" in edited.printed.replace(
        "environment variables that differ: HAND; ", ""
    )
    assert "HAND" in edited.printed
    assert "secret" not in edited.printed


def test_with_nothing_changed_a_hand_edit_costs_no_call(edited: DeployHarness) -> None:
    assert edited.deploy().result == "unchanged"
    assert sorted(edited.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_what_terraform_does_not_set_back_is_refused_by_name_and_nothing_is_published(live: DeployHarness) -> None:
    live.function.configure(EphemeralStorage={"Size": 2048})
    live.source = "two"
    for _ in range(2):
        with pytest.raises(RefusedError, match=r"Terraform doesn't set it back: EphemeralStorage: none -> "):
            live.deploy()
    assert (len(live.function.versions), live.serves) == (1, digest("one"))
    assert not live.items("lock")


def test_what_terraform_leaves_alone_is_published_when_it_is_applied_on_purpose_and_told(live: DeployHarness) -> None:
    live.function.configure(EphemeralStorage={"Size": 2048})
    report = live.deploy(infra="always")
    assert live.function.versions[report.version]["EphemeralStorage"] == {"Size": 2048}
    assert "Terraform leaves it so: EphemeralStorage" in live.printed
    live.source = "two"
    assert live.deploy().version == "3"


def test_infra_never_refuses_a_hand_edit_by_name(edited: DeployHarness) -> None:
    edited.source = "two"
    with pytest.raises(RefusedError, match=r"--infra never forbids to set it back.*MemorySize"):
        edited.deploy(infra="never")
    assert edited.serves == digest("one")


def test_a_change_of_the_foundation_alone_publishes_no_hand_edit(edited: DeployHarness) -> None:
    edited.foundation_inputs = "more images kept"
    edited.deploy()
    assert edited.function.latest
    assert edited.function.latest["MemorySize"] == 256
    assert len(edited.function.versions) == 1


def test_an_apply_that_was_not_released_is_no_hand_edit(live: DeployHarness) -> None:
    live.infra_inputs, live.terraform = "more memory", {"MemorySize": 512}
    live.function.fail("PublishVersion", DENIED)
    with pytest.raises(Exception, match="AccessDenied"):
        live.deploy()
    live.source = "two"
    report = live.deploy()
    assert live.applied == ["service"]
    assert live.function.versions[report.version]["MemorySize"] == 512
    assert "by hand" not in live.printed


def test_a_ledger_of_an_older_stepladder_knows_what_was_applied_by_its_release(edited: DeployHarness) -> None:
    del edited.table.tables["hello-releases"]["env#staging", "infra"]["config_hash"]
    edited.source = "two"
    report = edited.deploy()
    assert edited.function.versions[report.version]["MemorySize"] == 256


def test_a_dry_run_tells_of_a_hand_edit_and_what_would_be_done(edited: DeployHarness) -> None:
    edited.source = "two"
    edited.deploy(dry_run=True)
    assert "would apply the service again: changed by hand" in edited.printed
    with pytest.raises(RefusedError, match=r"would be refused: .*MemorySize"):
        edited.deploy(dry_run=True, infra="never")
    assert edited.applied == []


def test_a_release_by_hand_refuses_a_hand_edit_by_name(edited: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        registered, "read", lambda _rung, d, _origin: ReleaseImage(d, f"{REPOSITORY}@{d}", "abc", "key")
    )
    with pytest.raises(RefusedError, match=r"changed by hand.*MemorySize: 256 -> 1024") as refused:
        release_existing.release(edited.rung(), digest=digest("two"), no_smoke=True)
    assert "`inv tf.apply --env staging --root service`" in refused.value.hint
    assert edited.serves == digest("one")


def test_status_shows_a_hand_edit(edited: DeployHarness) -> None:
    (found,) = status.read([edited.rung()])
    assert "changed by hand" in found.drift
    assert "MemorySize: 256 -> 1024" in found.drift
    edited.source = "two"
    edited.deploy()
    (found,) = status.read([edited.rung()])
    assert found.drift == ""


# the alias


def test_a_deleted_alias_comes_back_on_the_version_that_was_released(live: DeployHarness) -> None:
    live.function.give(f"{REPOSITORY}@{digest('untested')}")
    live.function.alias = None
    served: list[str] = []
    live.on_apply = lambda _root: served.append(live.serves)
    report = live.deploy()
    assert live.applied == ["service"], "what hung on the alias is Terraform's to make again"
    assert served == [digest("one")]
    assert (report.version, live.serves) == ("1", digest("one"))
    assert "made again on version 1" in live.printed
    assert live.deploy().result == "unchanged"


def test_an_alias_that_is_made_again_is_described_as_terraform_describes_it() -> None:
    text = (ROOT / "terraform/modules/service/alias.tf").read_text("utf-8")
    assert f'"{alias.DESCRIPTION}"' in text


def test_a_deleted_alias_is_put_back_before_a_new_image_is_released(live: DeployHarness) -> None:
    live.function.alias = None
    live.source = "two"
    live.on_apply = lambda _root: None
    assert live.deploy().version == "2"
    assert live.serves == digest("two")


def test_a_kill_between_alias_and_apply_leaves_the_apply_to_the_next_run(live: DeployHarness) -> None:
    live.function.alias = None

    def die(_root: str) -> None:
        raise KeyboardInterrupt

    live.on_apply = die
    with pytest.raises(KeyboardInterrupt):
        live.deploy()
    live.on_apply = None
    live.applied.clear()
    live.deploy()
    assert live.applied == ["service"]
    assert live.serves == digest("one")


def test_a_dry_run_tells_that_a_deleted_alias_would_come_back(live: DeployHarness) -> None:
    live.function.alias = None
    live.deploy(dry_run=True)
    assert "would put alias live back on version 1" in live.printed
    assert live.function.alias is None


def test_infra_never_refuses_to_put_back_an_alias_without_what_hung_on_it(live: DeployHarness) -> None:
    live.function.alias = None
    with pytest.raises(RefusedError, match="was deleted"):
        live.deploy(infra="never")
    assert live.function.alias is None


def test_status_says_that_a_released_alias_is_gone(live: DeployHarness) -> None:
    live.function.alias = None
    (found,) = status.read([live.rung()])
    assert "`inv deploy --env staging` puts it back" in found.drift


def test_what_needs_a_deleted_alias_says_that_it_was_deleted_and_what_restores_it(live: DeployHarness) -> None:
    live.case("answers")
    live.function.alias = None
    rung = live.rung()
    for command in (
        lambda: invoke.invoke(rung, {}, show=print),
        lambda: live_smoke.smoke(rung),
        lambda: Rollback(rung).run(),
        lambda: release_existing.release(rung, version="1"),
        lambda: subject.read_lowest(rung),
    ):
        with pytest.raises(RefusedError, match="alias live of hello-staging was deleted; it served version 1") as gone:
            command()
        assert gone.value.kind == "alias-missing"
        assert gone.value.hint == "return it to version 1: `inv deploy --env staging`"
    (row,) = [found.row(0) for found in status.read([rung])]
    assert row[6] == "its alias was deleted"
    live.deploy(no_smoke=True)
    assert live.serves == digest("one")


def test_a_deleted_function_is_told_from_one_that_was_never_there(live: DeployHarness) -> None:
    live.function.alias, live.function.latest = None, None
    live.function.versions.clear()
    with pytest.raises(RefusedError, match=r"hello-staging was released \(\d{8}T.*\), and it was deleted") as gone:
        invoke.invoke(live.rung(), {}, show=print)
    assert (gone.value.kind, gone.value.hint) == (
        "nothing-live",
        "make it again and release to it: `inv deploy --env staging`",
    )
    (found,) = status.read([live.rung()])
    assert found.row(0)[6] == "its function was deleted"
    assert found.drift.endswith("`inv deploy --env staging` makes it again")


def test_credentials_of_another_account_are_told_before_a_deletion(live: DeployHarness) -> None:
    live.function.alias, live.sts.account = None, "999999999999"
    with pytest.raises(RefusedError, match="these credentials reach account 999999999999"):
        invoke.invoke(live.rung(), {}, show=print)


def test_an_alias_on_latest_whose_image_is_gone_has_a_way_out_that_is_named(live: DeployHarness) -> None:
    live.function.point("$LATEST")
    live.ecr.gone.add(digest("one"))
    live.source = "two"
    with pytest.raises(RefusedError, match=r"put on \$LATEST") as refused:
        live.deploy()
    assert "`inv deploy --env staging --force`" in refused.value.hint
    assert live.deploy(force=True).version == "2"
    assert live.serves == digest("two")


def test_an_alias_on_latest_whose_version_can_not_be_started_goes_on_with_what_callers_get(live: DeployHarness) -> None:
    live.function.give(f"{REPOSITORY}@{digest('by hand')}")
    live.function.point("$LATEST")
    live.ecr.gone.add(digest("one"))
    live.function.versions["1"]["State"] = "Failed"
    live.source = "two"
    live.function.before("UpdateFunctionCode", lambda: served.append(live.serves))
    served: list[str] = []
    live.deploy(force=True)
    assert served == [digest("by hand")], "no image is served untested for want of a version"
    assert live.serves == digest("two")


# the repository


def test_a_repository_that_somebody_deleted_is_made_again_by_the_foundation(live: DeployHarness) -> None:
    live.source = "two"
    live.has_repository = False
    live.on_apply = lambda _root: setattr(live, "has_repository", True)
    assert live.deploy().version == "2"
    assert live.applied == ["foundation"]
    assert "the foundation is applied again" in live.printed


def lose_the_repository(harness: DeployHarness) -> None:
    harness.ecr.gone.add(digest("one"))
    harness.has_repository = False
    harness.on_apply = lambda _root: setattr(harness, "has_repository", True)


def test_infra_always_pushes_the_live_image_into_a_repository_that_was_made_again(live: DeployHarness) -> None:
    lose_the_repository(live)
    report = live.deploy(infra="always")
    assert live.pushed == ["one"]
    assert (report.result, report.version, live.serves) == ("applied", "1", digest("one"))
    assert len(live.releases) == 1, "the same image is no other release"
    live.ecr.gone.clear()
    live.pushed.clear()
    live.deploy(infra="always")
    assert live.pushed == [], "an image that is there is left"


def test_an_image_that_is_built_otherwise_then_is_released(
    live: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_repository(live)
    monkeypatch.setattr(live, "prepare", lambda *_: ReleaseImage(digest("three"), f"{REPOSITORY}@{digest('three')}"))
    assert live.deploy(infra="always").version == "2"
    assert live.serves == digest("three")


def test_infra_never_leaves_a_missing_repository_to_the_person(live: DeployHarness) -> None:
    live.source = "two"
    live.has_repository = False
    with pytest.raises(RepositoryMissingError):
        live.deploy(infra="never")
    assert live.applied == []


def test_the_hint_for_a_missing_repository_names_commands_that_work(live: DeployHarness) -> None:
    from stepladder.images.registry import ecr

    error = ecr.missing(live.rung().names)
    assert isinstance(error, NotReadyError)
    for command in (
        "`inv deploy --env staging --infra always`",
        "`inv tf.plan --env staging --root foundation`",
        "`inv tf.apply --env staging --root foundation`",
    ):
        assert command in error.hint
