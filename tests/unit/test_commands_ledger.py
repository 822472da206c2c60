"""`inv ledger` and `inv ledger.rebuild` on fake AWS."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from fakes.deploy_harness import TABLE, DeployHarness, digest
from fakes.errors import DENIED

from stepladder.commands import history, ledger
from stepladder.commands.history import HistoryOptions
from stepladder.commands.rollback import Rollback
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, LockedError, RefusedError
from stepladder.core.release_facts import description
from stepladder.ledger.schema import Bad, ReleaseEntry
from stepladder.releases.rung import Rung


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """A rung that was released twice."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    for source in ("one", "two"):
        harness.source = source
        harness.deploy()
    return harness


def rung(harness: DeployHarness, *, as_json: bool = False) -> Rung:
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    return Rung(harness.settings, "staging", harness.aws, console, "inv ledger", harness.time.clock())  # type: ignore[arg-type]


def show(rung: Rung, **options: Any) -> list[ReleaseEntry]:
    return history.show([rung], HistoryOptions(**options))


def test_releases_are_rows_newest_first_and_the_live_one_is_marked(harness: DeployHarness) -> None:
    show(rung(harness))
    _, newest, oldest = harness.out.getvalue().splitlines()
    assert newest.split()[:6] == [
        "*",
        harness.releases[1]["release_id"],
        "deploy",
        "succeeded",
        "2",
        digest("two")[7:19],
    ]
    assert oldest.split()[0] == harness.releases[0]["release_id"]


def test_json_has_every_attribute_and_the_limit_holds(harness: DeployHarness) -> None:
    show(rung(harness, as_json=True), limit=1)
    (record,) = json.loads(harness.out.getvalue())
    assert (record["version"], record["digest"], record["previous_version"]) == ("2", digest("two"), "1")


def test_a_ledger_that_was_lost_is_written_anew_and_can_be_rolled_back_by(harness: DeployHarness) -> None:
    before = harness.releases
    harness.table.tables[TABLE].clear()
    assert [release.version for release in ledger.rebuild(rung(harness))] == ["1", "2"]
    kept = ("release_id", "version", "digest", "git_commit")
    assert [{k: r[k] for k in kept} for r in harness.releases] == [{k: r[k] for k in kept} for r in before]
    assert [r["result"] for r in harness.releases] == ["unknown", "succeeded"]
    assert ledger.rebuild(rung(harness)) == []
    assert not harness.items("lock")
    with pytest.raises(RefusedError, match="no earlier good release"):
        Rollback(harness.rung()).run()
    harness.case("answers", payload={}, expect={"status": 200})
    assert Rollback(harness.rung(), to=before[0]["release_id"]).run().version == "1"


def test_a_rebuilt_release_that_fails_its_smoke_cases_gets_no_traffic(harness: DeployHarness) -> None:
    first = harness.releases[0]["release_id"]
    harness.table.tables[TABLE].clear()
    ledger.rebuild(rung(harness))
    harness.case("answers", payload={}, expect={"status": 200})
    harness.function.handler = lambda served, _payload: ({"statusCode": 200 if served == digest("two") else 500}, False)
    with pytest.raises(RefusedError, match="version 1 fails 1 of 1 smoke cases"):
        Rollback(harness.rung(), to=first).run()
    assert harness.serves == digest("two")


def test_a_version_that_the_ledger_has_under_another_release_is_not_doubled(harness: DeployHarness) -> None:
    harness.function.versions["2"]["Description"] = description("20261121T000000Z-000001", "none", digest("two"))
    assert ledger.rebuild(rung(harness)) == []


def test_the_version_of_a_deploy_that_was_killed_is_no_success_and_no_target(harness: DeployHarness) -> None:
    harness.source = "three"
    harness.function.fail("Invoke", DENIED)
    harness.case("answers", payload={}, expect={"status": 200})
    with pytest.raises(ClientError):
        harness.deploy()
    killed = next(entry for entry in harness.releases if entry["version"] == "3")
    del harness.table.tables[TABLE]["env#staging", f"release#{killed['release_id']}"]
    harness.source = "four"
    harness.deploy()
    assert [(r.version, r.result) for r in ledger.rebuild(rung(harness))] == [("3", "unknown")]
    assert Rollback(harness.rung()).run().version == "2"


def test_a_version_that_another_release_says_it_followed_has_served(harness: DeployHarness) -> None:
    del harness.table.tables[TABLE]["env#staging", f"release#{harness.releases[0]['release_id']}"]
    assert [(r.version, r.result) for r in ledger.rebuild(rung(harness))] == [("1", "succeeded")]
    assert Rollback(harness.rung()).run().version == "1"


def test_a_ledger_is_not_rebuilt_beside_a_release_under_way(harness: DeployHarness) -> None:
    other = harness.rung().lock
    other.acquire()
    with pytest.raises(LockedError):
        ledger.rebuild(rung(harness))
    other.release()


def test_without_a_table_there_is_nothing_to_show(harness: DeployHarness) -> None:
    harness.table.tables.clear()
    with pytest.raises(RefusedError, match="no ledger yet"):
        show(rung(harness))


def test_one_release_is_shown_in_full(harness: DeployHarness) -> None:
    newest = harness.releases[1]
    harness.rung().ledger.mark_bad(newest["digest"], Bad("2027-01-15T07:00:00Z", "climb", "ProbeFailedError: it broke"))
    (found,) = show(rung(harness), release=newest["release_id"])
    assert found.version == "2"
    told = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in harness.out.getvalue().splitlines())
    assert told["release"] == f"{newest['release_id']} (live)"
    assert told["image digest"] == newest["digest"]
    assert told["marked bad"] == "by climb at 2027-01-15T07:00:00Z: it broke"
    assert (told["result"], told["version before"]) == ("succeeded", "1")


def test_one_release_as_json_is_one_record_as_it_is_stored(harness: DeployHarness) -> None:
    show(rung(harness, as_json=True), release=harness.releases[0]["release_id"])
    record = json.loads(harness.out.getvalue())
    assert (record["release_id"], record["version"], record["bad"]) == (harness.releases[0]["release_id"], "1", None)


def test_a_release_that_is_none_is_bad_input(harness: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="staging has no release 'x'"):
        show(rung(harness), release="x")


CAUSE = "DeploymentFailed: deployment d-1 ended Failed: ALARM_ACTIVE: " + "alarms have been activated " * 5


def told_of(harness: DeployHarness, width: int | None) -> str:
    entry = replace(harness.rung().ledger.history("staging")[0], release_id="29991231T000000Z-a1b2c3")
    harness.rung().ledger.write(replace(entry, result="rolled_back", cause=CAUSE, git_commit=f"{'ab' * 20}-dirty"))
    console = Console(err=harness.err, out=harness.out, live=False, width=width)
    show(Rung(harness.settings, "staging", harness.aws, console, "inv ledger", harness.time.clock()))  # type: ignore[arg-type]
    return harness.out.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_the_table_fits_the_terminal_and_a_cause_is_cut(harness: DeployHarness, width: int) -> None:
    lines = told_of(harness, width).splitlines()
    assert max(map(len, lines)) <= width
    assert any("deployment d-1 ended Failed" in line and line.endswith("…") for line in lines)
    assert "29991231T000000Z-a1b2c3" in "".join(lines), "a release can be named by what is shown"


def test_in_a_pipe_causes_are_whole_and_without_class_names(harness: DeployHarness) -> None:
    out = told_of(harness, None)
    assert CAUSE.removeprefix("DeploymentFailed: ").strip() in out
    assert "DeploymentFailed" not in out
    assert "rolled back" in out


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_no_release_is_bad_input(harness: DeployHarness, limit: int) -> None:
    with pytest.raises(BadInputError, match=f"--limit is {limit}"):
        show(rung(harness), limit=limit)
