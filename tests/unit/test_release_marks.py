"""Taking a bad mark away, in every place of a ladder, with who did it and why."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, DeployHarness, FakeAws, digest
from fakes.dynamodb import FakeDynamoDB
from fakes.errors import DENIED
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands.rollback import Rollback
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.releases import marks, rollback_target
from stepladder.releases import rung as rung_module
from stepladder.releases.marks import ImageQuery
from stepladder.settings.load import load


@pytest.fixture
def marked(harness: DeployHarness) -> DeployHarness:
    """A rung that was rolled back from its second image, which is marked."""
    for source in ("one", "two"):
        harness.source = source
        harness.deploy()
    harness.time.seconds += 1
    Rollback(harness.rung(), why="blank pages").run()
    return harness


def unmark(harness: DeployHarness, why: str = "", **named: str) -> dict[str, Any]:
    return marks.unmark(harness.rung(), ImageQuery(**named), why)


def records(table: FakeDynamoDB, sort: str) -> list[dict[str, Any]]:
    rows = table.tables.get(TABLE, {}).items()
    return [
        {n: v.get("S") for n, v in item.items()} for (pk, sk), item in rows if pk[:7] == "digest#" and sk[:3] == sort
    ]


@pytest.mark.parametrize("named", ["digest", "its beginning", "its digits", "release"])
def test_an_image_is_unmarked_by_its_digest_or_by_a_release_of_it(marked: DeployHarness, named: str) -> None:
    whole = digest("two")
    by = {"its beginning": whole[:19], "its digits": whole[7:].upper(), "digest": whole}
    given = {"release": marked.releases[1]["release_id"]} if named == "release" else {"digest": by[named]}
    marked.source = "two"
    with pytest.raises(RefusedError, match="marked bad") as caught:
        marked.deploy()
    assert f"`inv ledger.unmark --digest {whole[7:19]}`" in caught.value.hint
    told = unmark(marked, "it was the database", **given)
    assert (told["digest"], [place["why"] for place in told["unmarked"]]) == (whole, ["blank pages"])
    assert marked.deploy().result == "released"


def test_who_did_it_when_and_why_is_kept_with_what_the_mark_had_said(marked: DeployHarness) -> None:
    (was,) = records(marked.table, "bad")
    unmark(marked, "it was the database", digest=digest("two"))
    assert records(marked.table, "bad") == []
    (kept,) = records(marked.table, "unm")
    assert (kept["why"], kept["marked_why"], kept["marked_at"]) == ("it was the database", was["why"], was["marked_at"])
    assert kept["by"] == marked.rung().requested_by
    assert kept["sk"] == f"unmarked#{kept['unmarked_at']}"
    assert "is no longer marked bad in" in marked.printed
    assert "blank pages" in marked.printed


def test_the_beginning_of_a_marked_digest_that_no_release_has_any_more_is_enough(marked: DeployHarness) -> None:
    for key in [key for key in marked.table.tables[TABLE] if key[1].startswith("release#")]:
        del marked.table.tables[TABLE][key]
    assert len(unmark(marked, digest=digest("two")[7:19])["unmarked"]) == 1


def test_an_image_without_a_mark_has_nothing_taken_away(marked: DeployHarness) -> None:
    assert unmark(marked, digest=digest("one"))["unmarked"] == []
    assert "nothing to do" in marked.printed
    assert records(marked.table, "unm") == []


def test_an_image_can_be_marked_again_and_unmarked_again(marked: DeployHarness) -> None:
    unmark(marked, digest=digest("two"))
    marked.source = "two"
    marked.deploy()
    marked.time.seconds += 1
    Rollback(marked.rung()).run()
    assert len(unmark(marked, digest=digest("two"))["unmarked"]) == 1
    assert len(records(marked.table, "unm")) == 2


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ({}, "one of --digest and --release"),
        ({"digest": "ab", "release": "x"}, "one of --digest and --release"),
        ({"release": "20261121T230501Z-a1b2c3"}, "no environment has a release"),
        ({"digest": "xyz"}, "is no digest"),
        ({"digest": "abc"}, "too short"),
        ({"digest": "0" * 12}, "no ledger knows such an image"),
        ({"digest": "0" * 65}, "is no digest"),
    ],
)
def test_an_image_that_is_not_named_clearly_is_bad_input(
    marked: DeployHarness, named: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInputError, match=said):
        unmark(marked, **named)


OTHER = "222222222222"


class TestPlaces:
    """A ladder whose production is in another account, with a ledger of its own."""

    @pytest.fixture
    def other(self, marked: DeployHarness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDynamoDB:
        role = f"arn:aws:iam::{OTHER}:role/deployer"
        environments = {
            "staging": {"account": ACCOUNT, "region": REGION},
            "production": {"account": OTHER, "region": REGION, "role_arn": role},
        }
        marked.settings = load({"project": "hello", "environments": environments}, tmp_path)
        table = FakeDynamoDB(TABLE)
        reached = FakeAws({"dynamodb": table})
        monkeypatch.setattr(rung_module, "clients", lambda _settings, environment: {"production": reached}[environment])
        return table

    def mark(self, table: FakeDynamoDB, marked: DeployHarness) -> None:
        key = (f"digest#{digest('two')}", "bad")
        table.tables[TABLE][key] = marked.table.tables[TABLE][key]

    def test_the_mark_is_taken_away_in_each(self, marked: DeployHarness, other: FakeDynamoDB) -> None:
        self.mark(other, marked)
        told = unmark(marked, digest=digest("two"))
        assert [place["account"] for place in told["unmarked"]] == [ACCOUNT, OTHER]
        assert records(other, "bad") == records(marked.table, "bad") == []

    def test_a_mark_that_only_the_other_place_has_is_found_by_a_release_of_here(
        self, marked: DeployHarness, other: FakeDynamoDB
    ) -> None:
        self.mark(other, marked)
        unmark(marked, digest=digest("two"))
        self.mark_again(other)
        told = unmark(marked, release=marked.releases[1]["release_id"])
        assert [place["account"] for place in told["unmarked"]] == [OTHER]

    def mark_again(self, table: FakeDynamoDB) -> None:
        stamped = {"marked_at": {"S": "2026-11-25T00:00:00Z"}, "by": {"S": "climb"}, "why": {"S": "x"}}
        pk = f"digest#{digest('two')}"
        table.tables[TABLE][pk, "bad"] = {"pk": {"S": pk}, "sk": {"S": "bad"}, **stamped}

    def test_a_place_without_a_ledger_yet_is_passed_over(self, marked: DeployHarness, other: FakeDynamoDB) -> None:
        other.tables.clear()
        assert len(unmark(marked, digest=digest("two"))["unmarked"]) == 1
        assert len(unmark(marked, release=marked.releases[1]["release_id"])["unmarked"]) == 0

    def test_a_place_out_of_reach_is_told_after_the_others_are_done(
        self, marked: DeployHarness, other: FakeDynamoDB
    ) -> None:
        other.fail("GetItem", DENIED)
        with pytest.raises(StepladderError, match=f"may be left in {OTHER} {REGION}: AccessDenied") as caught:
            unmark(marked, digest=digest("two"))
        assert len(caught.value.record["unmarked"]) == 1  # type: ignore[arg-type]
        assert records(marked.table, "bad") == []

    def test_a_rollback_passes_over_an_image_that_only_another_place_marks(
        self, marked: DeployHarness, other: FakeDynamoDB
    ) -> None:
        """Version 3 was released after 2 was unmarked here; production, which rolled 2 back, still has its mark."""
        unmark(marked, digest=digest("two"))
        marked.source = "two"
        marked.deploy()
        marked.source = "three"
        marked.deploy()
        self.mark_again(other)
        marked.time.seconds += 1
        assert Rollback(marked.rung()).run().digest == digest("one")

    @pytest.mark.parametrize("answers", [False, True], ids=["it never answers", "it refuses"])
    def test_a_rollback_does_not_wait_for_a_place_that_is_down(
        self, marked: DeployHarness, other: FakeDynamoDB, monkeypatch: pytest.MonkeyPatch, answers: bool
    ) -> None:
        unmark(marked, digest=digest("two"))
        marked.source = "three"
        marked.deploy()
        ended = threading.Event()
        monkeypatch.setattr(rollback_target, "_PATIENCE", 0.05)
        if answers:
            other.fail("BatchGetItem", DENIED)
        else:
            monkeypatch.setattr(other, "batch_get_item", lambda **_: ended.wait(20) and {"Responses": {}})
        marked.time.seconds += 1
        try:
            assert Rollback(marked.rung()).run().digest != digest("three")
        finally:
            ended.set()
        assert f"the bad marks of {OTHER} {REGION} can't be read, so they don't count" in marked.printed

    def test_deploy_refuses_a_mark_that_only_another_place_has(
        self, marked: DeployHarness, other: FakeDynamoDB
    ) -> None:
        unmark(marked, digest=digest("two"))
        self.mark_again(other)
        marked.source = "two"
        with pytest.raises(RefusedError, match="was marked bad by climb"):
            marked.deploy()
        other.fail("BatchGetItem", DENIED)
        assert marked.deploy().result == "released", "a place out of reach holds no deploy up"

    def test_status_sees_a_mark_that_only_another_place_has(self, marked: DeployHarness, other: FakeDynamoDB) -> None:
        self.mark(other, marked)
        unmark(marked, digest=digest("two"))
        self.mark_again(other)
        rungs = [marked.rung()]
        assert [bad.by for bad in marks.known(rungs, {digest("one"), digest("two")}).values()] == ["climb"]
        other.fail("BatchGetItem", DENIED)
        assert marks.known(rungs, {digest("two")}) == {}, "a place out of reach hides no status"
        assert marks.known(rungs, set()) == {}
