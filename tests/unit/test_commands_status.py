"""`inv status` on fake AWS."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from fakes.deploy_harness import ACCOUNT, REGION, TABLE, DeployHarness, digest
from fakes.errors import DENIED, error

from stepladder.commands import status
from stepladder.commands.status import RungStatus
from stepladder.core.console import Console
from stepladder.core.errors import NotReadyError, StepladderError
from stepladder.ledger.schema import Bad, Preview
from stepladder.ledger.words import recorded_commit, shown_commit
from stepladder.releases.rung import Rung
from stepladder.settings.load import load


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    harness.deploy()
    return harness


def show(harness: DeployHarness, *, as_json: bool = False) -> list[RungStatus]:
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    rung = Rung(harness.settings, "staging", harness.aws, console, "inv status", harness.time.clock())  # type: ignore[arg-type]
    return status.show([rung], clock=lambda: harness.time.seconds + 300)


def test_a_live_rung_is_one_row(harness: DeployHarness) -> None:
    (found,) = show(harness)
    assert (found.version, found.digest, found.health, found.drift) == ("1", digest("one"), "ok", "")
    row = harness.out.getvalue().splitlines()[1]
    assert row.split() == ["staging", "1", digest("one")[7:19], "no", "commit", "5", "min", "100%", "ok", "-"]


def test_json_says_the_same(harness: DeployHarness) -> None:
    show(harness, as_json=True)
    (record,) = json.loads(harness.out.getvalue())
    assert (record["environment"], record["version"], record["weights"]) == ("staging", "1", {})


def test_weights_deployments_and_locks_are_shown(harness: DeployHarness) -> None:
    harness.function.point("1", {"7": 0.1})
    harness.codedeploy.active = "d-1"
    (found,) = show(harness)
    assert found.row(0)[5:] == ("90%, 7: 10%", "ok", "d-1")
    harness.codedeploy.active = ""
    lock = harness.rung().lock
    lock.acquire()
    (found,) = show(harness)
    assert "inv deploy --env staging by" in found.row(0)[7]
    assert "weights were left behind" in found.drift
    lock.release()


def test_weights_of_a_promotion_that_shifts_traffic_itself_are_not_left_behind(harness: DeployHarness) -> None:
    harness.function.point("1", {"7": 0.05})
    lock = harness.rung().lock
    lock.acquire()
    for moved_to, is_drift in (("7", False), ("6", True)):
        harness.table.tables[TABLE]["env#staging", "lock"]["moved_to"] = {"S": moved_to}
        (found,) = show(harness)
        assert found.weights == (("7", 0.05),)
        assert bool(found.drift) == is_drift
    harness.function.versions["6"] = harness.function.versions["1"] | {"Version": "6"}
    harness.function.point("6")
    assert show(harness)[0].drift == "", "it has all traffic, and is watched"
    lock.release()
    assert show(harness)[0].drift == "the alias serves version 6, the ledger says 1"


def test_an_alarm_that_fires_is_named(harness: DeployHarness) -> None:
    harness.aws.clients["cloudwatch"].alarms = (("errors", "ALARM"), ("latency", "OK"))
    assert show(harness)[0].health == "ALARM: errors"
    harness.aws.clients["cloudwatch"].alarms = ()
    assert show(harness)[0].health == "no alarms"


def test_an_alias_that_somebody_moved_is_drift(harness: DeployHarness) -> None:
    harness.function.versions["9"] = harness.function.versions["1"] | {"Version": "9"}
    harness.function.point("9")
    assert show(harness)[0].drift == "the alias serves version 9, the ledger says 1"
    assert "drift" in harness.printed


def test_a_failed_last_release_is_told(harness: DeployHarness) -> None:
    harness.case("works", expect={"status": 201})
    harness.source = "two"
    with pytest.raises(Exception, match="fails 1 of 1"):
        harness.deploy()
    assert "fails 1 of 1 smoke cases" in show(harness)[0].last_failure


def test_a_failed_apply_is_told_until_the_root_is_applied(harness: DeployHarness) -> None:
    def refuse(_: str) -> None:
        raise StepladderError("terraform apply of staging/service failed: throttled")

    harness.infra_inputs, harness.on_apply = "two", refuse
    with pytest.raises(StepladderError):
        harness.deploy()
    assert "terraform apply of staging/service failed" in show(harness)[0].last_failure
    harness.on_apply = None
    harness.time.seconds += 60
    harness.deploy()
    status = show(harness)[0]
    assert (status.last_failure, status.last_result) == ("", "succeeded")


@pytest.mark.parametrize("as_json", [False, True], ids=["table", "json"])
def test_a_rung_that_can_t_be_read_says_why_and_is_a_failure(harness: DeployHarness, as_json: bool) -> None:
    harness.function.fail("GetAlias", DENIED)
    with pytest.raises(StepladderError, match="1 of 1 rungs can't be read: staging") as caught:
        show(harness, as_json=as_json)
    why = "these credentials may not call Fake (AccessDeniedException)"
    assert caught.value.record["rungs"][0]["problem"] == why  # type: ignore[index]
    assert (why in harness.out.getvalue()) != as_json, "with --json the error carries the rungs: one document"


@pytest.mark.parametrize("failure", [NoCredentialsError(), error("ExpiredToken", 403)], ids=["none", "expired"])
def test_without_credentials_that_work_nothing_is_ready(harness: DeployHarness, failure: Exception) -> None:
    harness.function.fail("GetAlias", failure)
    with pytest.raises(NotReadyError, match="no AWS credentials that work"):
        show(harness)


def test_an_alarm_of_another_project_whose_name_begins_alike_is_not_ours(harness: DeployHarness) -> None:
    harness.aws.clients["cloudwatch"].alarms = (("two-errors", "ALARM"), ("errors", "OK"))
    assert show(harness)[0].health == "ok"


def test_a_rung_that_has_nothing_yet_says_so(harness: DeployHarness) -> None:
    harness.function.alias = None
    harness.table.tables.clear()
    (found,) = show(harness)
    assert found.row(0)[6] == "nothing deployed yet"


@pytest.mark.parametrize(
    ("sha", "dirty", "recorded", "shown"),
    [
        pytest.param("", True, "none", "no commit", id="without git"),
        pytest.param("ab" * 20, False, "ab" * 20, "abababababab", id="as committed"),
        pytest.param("ab" * 20, True, "ab" * 20 + "-dirty", "abababababab-dirty", id="files differ from it"),
    ],
)
def test_a_commit_is_recorded_whole_and_shown_short(sha: str, dirty: bool, recorded: str, shown: str) -> None:
    assert recorded_commit(sha, dirty=dirty) == recorded
    assert shown_commit(recorded) == shown


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_terminal(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    """Show the status on a terminal of that width, and return what standard output and standard error show."""
    for name in ("CI", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")  # a CI job may have none, or a dumb one
    terminal = Terminal()
    console = Console(err=terminal, out=terminal, width=width)
    rung = Rung(harness.settings, "staging", harness.aws, console, "inv status", harness.time.clock())  # type: ignore[arg-type]
    status.show([rung], clock=lambda: harness.time.seconds + 300)
    return terminal.getvalue().splitlines()


def test_the_mark_of_an_image_is_seen_wherever_it_serves(harness: DeployHarness) -> None:
    ledger = harness.rung().ledger
    ledger.mark_bad(
        digest("one"), Bad("2027-01-15T07:00:00Z", "climb", "rolled back on production: ProbeFailedError: x")
    )
    (found,) = show(harness)
    assert [(mark.version, mark.digest, mark.by) for mark in found.bad] == [("1", digest("one"), "climb")]
    assert f"{digest('one')[7:19]} bad" in harness.out.getvalue()
    assert "image of version 1" not in harness.printed
    assert "of version 1 is marked bad by climb, 1 h ago: rolled back on production: x" in harness.printed
    assert f"`inv ledger.unmark --digest {digest('one')[7:19]}`" in harness.printed
    harness.out.truncate(0)
    harness.out.seek(0)
    show(harness, as_json=True)
    (record,) = json.loads(harness.out.getvalue())
    assert record["bad"][0]["why"] == "rolled back on production: ProbeFailedError: x", "as it is stored"


def test_the_mark_of_a_version_that_gets_a_share_of_the_traffic_is_seen_too(harness: DeployHarness) -> None:
    harness.source = "two"
    harness.deploy()
    harness.function.point("1", {"2": 0.1})
    harness.rung().ledger.mark_bad(digest("two"), Bad("2027-01-15T07:00:00Z", "climb", "x"))
    assert [mark.version for mark in show(harness)[0].bad] == ["2"]


def test_marks_cost_one_call_and_a_good_image_has_none(harness: DeployHarness) -> None:
    harness.table.calls.clear()
    assert show(harness)[0].bad == ()
    assert harness.table.calls.count("BatchGetItem") == 2


def test_a_long_cause_is_cut_to_the_terminal_and_the_command_that_shows_it_all_is_told(
    harness: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.case("works", expect={"status": 201, "result": {"a": "long " * 20}})
    harness.source = "two"
    with pytest.raises(Exception, match="fails 1 of 1"):
        harness.deploy()
    lines = on_terminal(harness, monkeypatch, 80)
    (cut,) = [line for line in lines if "the last release failed" in line]
    assert cut.endswith("…")
    assert len(re.sub(r"\x1b\[\d+m", "", cut)) <= 80
    assert f"`inv ledger --env staging --release {harness.releases[-1]['release_id']}`" in lines[-1]


def test_colours_tell_what_is_well_and_what_is_not(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b[32mok\x1b[0m" in on_terminal(harness, monkeypatch, 120)[1]
    harness.aws.clients["cloudwatch"].alarms = (("errors", "ALARM"),)
    harness.function.point("1", {"7": 0.1})
    harness.codedeploy.active = "d-1"
    line = on_terminal(harness, monkeypatch, 120)[1]
    assert "\x1b[31mALARM: errors\x1b[0m" in line
    assert "\x1b[33m90%, 7: 10%\x1b[0m" in line
    assert "\x1b[33md-1\x1b[0m" in line


PREVIEW = Preview(
    since="2027-01-15T07:00:00Z",
    until="2027-01-15T10:05:00Z",
    deployed_at="2027-01-15T07:00:00Z",
    requested_by="ci",
    branch="feature",
    url="https://abc.lambda-url/",
)


def preview_rung(harness: DeployHarness, *, as_json: bool = False) -> Rung:
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    settings = load(
        {
            "project": "hello",
            "environments": {"staging": {"account": ACCOUNT, "region": REGION}},
            "rungs": ["staging"],
            "previews": {"enabled": True},
        },
        harness.root,
    )
    return Rung(settings, "pr-12", harness.aws, console, "inv status", harness.time.clock())  # type: ignore[arg-type]


def test_a_preview_says_until_when_it_is_there_and_where_it_answers(harness: DeployHarness) -> None:
    rung = preview_rung(harness)
    rung.ledger.write_preview("pr-12", PREVIEW)
    (read,) = status.show([rung], clock=lambda: harness.time.seconds + 300)
    assert read.preview is not None
    assert read.preview.url == "https://abc.lambda-url/"
    assert "pr-12: preview of feature, ends in 1 h, https://abc.lambda-url/" in harness.printed
    status.show([rung], clock=lambda: harness.time.seconds + 86_400)
    assert "pr-12: preview of feature, ended 21 h ago" in harness.printed
    assert "`inv preview.sweep`" in harness.printed


def test_a_rung_is_no_preview_and_json_says_so(harness: DeployHarness) -> None:
    show(harness, as_json=True)
    (record,) = json.loads(harness.out.getvalue())
    assert (record["preview"], record["destroying"]) == (None, "")
    harness.out.truncate(0)
    harness.out.seek(0)
    rung = preview_rung(harness, as_json=True)
    rung.ledger.write_preview("pr-12", PREVIEW)
    status.show([rung], clock=lambda: harness.time.seconds)
    (record,) = json.loads(harness.out.getvalue())
    assert record["preview"]["until"] == PREVIEW.until


def test_an_environment_that_is_half_destroyed_says_how_to_go_on(harness: DeployHarness) -> None:
    key, began = {"pk": {"S": "env#staging"}, "sk": {"S": "destroy"}}, "2027-01-15T07:00:00Z"
    harness.table.put_item(TableName=TABLE, Item={**key, "owner": {"S": "ann"}, "since": {"S": began}})
    (read,) = show(harness)
    assert read.destroying == began
    assert f"staging is half destroyed, since {began}" in harness.printed
    assert "`inv destroy --env staging`" in harness.printed
