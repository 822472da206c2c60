"""The ledger on a fake table."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.dynamodb import FakeDynamoDB

from stepladder.core.clock import ago, seconds_of, stamp
from stepladder.core.errors import LockedError, StepladderError
from stepladder.core.process_identity import release_id
from stepladder.core.release_facts import description, short
from stepladder.ledger import schema
from stepladder.ledger.lock import EnvironmentLock
from stepladder.ledger.rebuild import rebuild
from stepladder.ledger.schema import Bad, Current, InfraRecord, Preview, ReleaseEntry
from stepladder.ledger.snapshot import Holding, Snapshot
from stepladder.ledger.table import Ledger

RELEASE = ReleaseEntry(
    release_id="20261121T230501Z-000001",
    environment="staging",
    kind="deploy",
    version="1",
    previous_version="",
    digest="sha256:" + "a" * 64,
    git_commit="abc",
    requested_by="ann@laptop",
    result="succeeded",
    started_at="2026-11-21T23:05:01Z",
    ended_at="2026-11-21T23:05:02Z",
)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(FakeDynamoDB("t"), "t")


def entry(number: int, **changes: str) -> ReleaseEntry:
    return replace(RELEASE, **{"release_id": f"20261121T230501Z-{number:06x}", "version": str(number), **changes})  # type: ignore[arg-type]


def test_a_table_that_isn_t_there_is_an_empty_world() -> None:
    assert Ledger(FakeDynamoDB(), "t").snapshot("staging") == Snapshot(exists=False)


def test_a_release_is_written_once(ledger: Ledger) -> None:
    assert ledger.write(RELEASE)
    assert not ledger.write(replace(RELEASE, result="failed"))
    assert ledger.find("staging", RELEASE.release_id) == RELEASE


def test_history_is_newest_first_over_many_pages(ledger: Ledger) -> None:
    for number in range(250):
        ledger.write(entry(number))
    found = ledger.history("staging", limit=240)
    assert [int(r.version) for r in found] == list(range(249, 9, -1))


def test_good_releases_are_without_what_failed_and_other_rungs(ledger: Ledger) -> None:
    ledger.write(entry(1))
    ledger.write(entry(2, result="failed"))
    ledger.write(entry(3, environment="production"))
    assert [release.version for release in ledger.succeeded("staging")] == ["1"]


def test_the_first_mark_of_a_bad_digest_stays(ledger: Ledger) -> None:
    ledger.mark_bad("sha256:x", Bad("2026-11-21T00:00:00Z", "ann", "blank pages"))
    ledger.mark_bad("sha256:x", Bad("2026-11-22T00:00:00Z", "bob", "other"))
    bad = ledger.is_bad("sha256:x")
    assert bad
    assert (bad.by, bad.why) == ("ann", "blank pages")
    assert ledger.is_bad("sha256:y") is None


def test_the_first_mark_stays_when_a_release_ends_with_another(ledger: Ledger) -> None:
    ledger.mark_bad("sha256:x", Bad("2026-11-21T00:00:00Z", "ann", "blank pages"))
    for number, mark in ((1, "sha256:x"), (2, "sha256:y")):
        EnvironmentLock(ledger, "staging", "inv rollback").acquire()
        held = ledger.snapshot("staging").lock
        assert held
        ledger.finish(entry(number), None, held.run_id, bad=(mark, Bad("2026-11-22T00:00:00Z", "bob", "other")))
        assert ledger.snapshot("staging").lock is None
    assert [bad.by for bad in ledger.marks(["sha256:x", "sha256:y"]).values()] == ["ann", "bob"]
    assert len(ledger.history("staging")) == 2


def test_what_a_rollback_may_need_is_protected_from_pruning(ledger: Ledger) -> None:
    for number in range(1, 6):
        ledger.write(entry(number, digest=f"sha256:{number}"))
    ledger.write(entry(6, digest="sha256:6", result="failed"))
    ledger.set_current("staging", Current("r", "1", "sha256:now", "", "", ""), was=None)
    assert ledger.protected_digests(["staging"], keep=2) == {"sha256:now", "sha256:5", "sha256:4"}


def test_current_is_replaced_only_if_it_is_what_was_read(ledger: Ledger) -> None:
    first, second = Current("r1", "1", "d", "", "", ""), Current("r2", "2", "d", "", "", "")
    assert ledger.set_current("staging", first, was=None)
    assert not ledger.set_current("staging", second, was=None)
    assert ledger.set_current("staging", second, was=first)
    assert not ledger.set_current("staging", second, was=first)


def test_applied_roots_are_kept_for_environment_and_foundation(ledger: Ledger) -> None:
    ledger.record_infra("staging", InfraRecord("s", "p1", "2026-11-21T00:00:00Z", "https://x/"))
    ledger.record_infra(None, InfraRecord("f", "p2", "2026-11-21T00:00:00Z"))
    found = ledger.snapshot("staging")
    assert (found.infra, found.foundation) == (
        InfraRecord("s", "p1", "2026-11-21T00:00:00Z", "https://x/"),
        InfraRecord("f", "p2", "2026-11-21T00:00:00Z"),
    )


def test_an_apply_or_an_adoption_under_a_lost_lock_is_not_recorded(ledger: Ledger) -> None:
    theirs = schema.key("env#staging", "lock") | {"run_id": {"S": "theirs"}}
    ledger.client.tables["t"]["env#staging", "lock"] = theirs
    infra, current = InfraRecord("s", "p1", "2026-11-21T00:00:00Z"), Current("r1", "1", "d", "", "", "")
    with pytest.raises(LockedError, match="lock of staging was lost"):
        ledger.record_infra("staging", infra, Holding("staging", "mine"))
    assert not ledger.set_current("staging", current, was=None, holding=Holding("staging", "mine"))
    assert (ledger.snapshot("staging").infra, ledger.snapshot("staging").current) == (None, None)
    ledger.record_infra("staging", infra, Holding("staging", "theirs"))
    assert ledger.set_current("staging", current, was=None, holding=Holding("staging", "theirs"))
    assert (ledger.snapshot("staging").infra, ledger.snapshot("staging").current) == (infra, current)


def test_the_ledger_is_rebuilt_from_descriptions_and_a_second_time_changes_nothing(ledger: Ledger) -> None:
    digests = [f"sha256:{c * 64}" for c in "abc"]
    versions = [
        ("1", "", digests[0], "2026-11-20T00:00:00Z"),
        ("2", description("20261121T000000Z-000001", "c1", digests[1]), digests[1], "2026-11-21T00:00:00Z"),
        ("3", description("20261122T000000Z-000001", "c2", digests[2]), digests[2], "2026-11-22T00:00:00Z"),
    ]
    new = rebuild(ledger, "staging", versions, "3")
    assert [(r.version, r.git_commit, r.result) for r in new] == [("2", "c1", "unknown"), ("3", "c2", "succeeded")]
    assert rebuild(ledger, "staging", versions) == []
    found = next(ledger.succeeded("staging"))
    assert (found.version, found.digest) == ("3", digests[2])


def test_a_description_that_lies_about_its_image_stops_the_rebuilding(ledger: Ledger) -> None:
    told = description("20261121T000000Z-000001", "c1", "sha256:" + "a" * 64)
    with pytest.raises(StepladderError, match="says it has image"):
        rebuild(ledger, "staging", [("2", told, "sha256:" + "b" * 64, "2026-11-21T00:00:00Z")])


def test_release_ids_sort_by_time_within_a_second_too() -> None:
    ids = [release_id(1_800_000_000 + step / 100) for step in range(250)]
    assert ids == sorted(ids)
    assert all(len(i) == len("20261121T230501Z-a1b2c3") for i in ids)


def test_times_are_written_and_read_alike() -> None:
    assert stamp(1_800_000_000) == "2027-01-15T08:00:00Z"
    assert seconds_of("2027-01-15T08:00:00Z") == 1_800_000_000
    assert seconds_of("2027-01-15T08:00:00.000+0000") == 1_800_000_000, "Lambda's own form"
    assert [ago(stamp(0), s) for s in (5, 300, 7200, 200_000)] == ["5 s", "5 min", "2 h", "2 d"]
    assert short("sha256:0123456789abcdef") == "0123456789ab"


def test_previews_are_listed_by_their_numbers_until_they_are_forgotten(ledger: Ledger) -> None:
    record = Preview("2026-11-26T10:00:00Z", "2026-11-29T10:00:00Z", "2026-11-26T10:00:00Z", "ann", url="https://x/")
    for name in ("pr-10", "pr-9", "pr-100"):
        ledger.write_preview(name, record)
    assert ledger.previews() == dict.fromkeys(("pr-9", "pr-10", "pr-100"), record)
    ledger.forget_preview("pr-10")
    ledger.forget_preview("pr-10")
    assert list(ledger.previews()) == ["pr-9", "pr-100"]
    assert Ledger(FakeDynamoDB(), "t").previews() == {}


@pytest.mark.parametrize("name", ["production", "pr-0", "pr-7-mailer", "pr", ""])
def test_a_record_under_another_name_is_no_preview(ledger: Ledger, name: str) -> None:
    record = Preview("2026-11-26T10:00:00Z", "2026-11-26T10:00:00Z", "2026-11-26T10:00:00Z", "a pull request")
    ledger.write_preview(name, record)
    assert ledger.previews() == {}


def test_a_preview_whose_record_somebody_wrote_strangely_is_listed_as_one_that_is_over() -> None:
    table = FakeDynamoDB("t")
    table.put_item(
        TableName="t",
        Item={"pk": {"S": "previews"}, "sk": {"S": "pr-7"}, "until": {"N": "9"}, "functions": {"BOOL": True}},
    )
    (record,) = Ledger(table, "t").previews().values()
    assert (seconds_of(record.until), record.functions) == (0, "")


def test_a_preview_that_was_deployed_since_it_was_read_is_not_forgotten(ledger: Ledger) -> None:
    before = Preview("2026-11-26T10:00:00Z", "2026-11-29T10:00:00Z", "2026-11-26T10:00:00Z", "ann")
    again = replace(before, deployed_at="2026-11-26T11:00:00Z")
    ledger.write_preview("pr-7", again)
    ledger.forget_preview("pr-7", before)
    assert ledger.previews() == {"pr-7": again}
    ledger.forget_preview("pr-7", again)
    assert ledger.previews() == {}
