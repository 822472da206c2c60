"""Smoke cases that changed alone: deploy runs them on what is live; `inv smoke` runs them whenever asked."""

from __future__ import annotations

import json

import pytest
from fakes.deploy_harness import TABLE, DeployHarness, digest

from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError, StepladderError
from stepladder.releases import live_smoke
from stepladder.releases.rung import Rung


@pytest.fixture
def tested(harness: DeployHarness) -> DeployHarness:
    """A rung that was released once, with one smoke case."""
    harness.case("answers")
    harness.deploy()
    return harness


def rung(harness: DeployHarness, *, as_json: bool = False) -> Rung:
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    return Rung(harness.settings, "staging", harness.aws, console, "inv smoke", harness.time.clock())  # type: ignore[arg-type]


def current(harness: DeployHarness) -> dict[str, str]:
    (found,) = harness.items("current")
    return found


def test_with_no_case_changed_deploy_makes_two_calls(tested: DeployHarness) -> None:
    assert tested.deploy().result == "unchanged"
    assert sorted(tested.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


@pytest.mark.parametrize("change", ["another case", "another expectation", "a case less"])
def test_a_case_that_changed_alone_runs_on_the_live_version_and_is_recorded(tested: DeployHarness, change: str) -> None:
    tested.case("second")
    tested.deploy()
    before = current(tested)
    if change == "a case less":
        (tested.root / "tests/smoke/second.json").unlink()
    else:
        tested.case("third" if change == "another case" else "answers", expect={"error": None})
    report = tested.deploy()
    assert (report.result, report.version) == ("tested", "1")
    assert "lambda:Invoke" in tested.aws.calls
    assert not [call for call in tested.aws.calls if "Publish" in call or "UpdateAlias" in call or "ListDep" in call]
    assert "the smoke cases pass (they changed since the live version passed them), version 1 is live" in tested.printed
    assert current(tested) == {**before, "smoke_key": current(tested)["smoke_key"]}
    assert current(tested)["smoke_key"] != before["smoke_key"]
    assert not tested.items("lock")
    assert tested.deploy().result == "unchanged"
    assert sorted(tested.aws.calls) == ["dynamodb:BatchGetItem", "lambda:GetAlias"]


def test_a_live_version_that_fails_the_changed_cases_is_refused_each_time_and_stays(tested: DeployHarness) -> None:
    tested.case("answers", expect={"status": 201})
    for _ in range(2):
        with pytest.raises(RefusedError, match="version 1 fails 1 of 1 smoke cases: answers: status") as caught:
            tested.deploy()
        assert "version 1 stays live" in caught.value.hint
        assert (tested.serves, len(tested.releases)) == (digest("one"), 1)
        assert not tested.items("lock")


@pytest.mark.parametrize("text", ["{", "[]", '{"name": ""}'], ids=["no JSON", "no object", "no name"])
@pytest.mark.parametrize("flags", [{}, {"dry_run": True}], ids=["deploy", "dry run"])
def test_a_broken_case_is_bad_input_though_nothing_else_changed(
    tested: DeployHarness, text: str, flags: dict[str, bool]
) -> None:
    (tested.root / "tests/smoke/broken.json").write_text(text)
    with pytest.raises(BadInputError, match="not valid") as caught:
        tested.deploy(**flags)
    assert "broken.json" in caught.value.problems[0]
    assert tested.aws.calls == []


def test_a_current_release_that_knows_of_no_cases_is_tested_once(tested: DeployHarness) -> None:
    del tested.table.tables[TABLE]["env#staging", "current"]["smoke_key"]
    assert tested.deploy().result == "tested"
    assert "the live version ran none so far" in tested.printed
    assert tested.deploy().result == "unchanged"


def test_what_was_released_untested_is_tested_by_the_next_deploy_that_may(tested: DeployHarness) -> None:
    tested.source = "two"
    tested.deploy(no_smoke=True)
    assert tested.deploy(no_smoke=True).result == "unchanged"
    assert "--no-smoke" not in tested.printed, "nothing was released untested"
    assert tested.deploy().result == "tested"


def test_a_dry_run_tells_of_the_cases_and_runs_none(tested: DeployHarness) -> None:
    tested.case("second")
    assert tested.deploy(dry_run=True).result == "dry_run"
    assert "would run 2 smoke cases on the live version: they changed" in tested.printed
    assert "lambda:Invoke" not in tested.aws.calls


def test_applied_infrastructure_that_needs_no_release_runs_the_changed_cases_too(tested: DeployHarness) -> None:
    tested.infra_inputs = "two"
    tested.case("second")
    assert tested.deploy().result == "applied"
    assert tested.aws.calls.count("lambda:Invoke") == 2
    assert tested.deploy().result == "unchanged"


def test_smoke_tells_each_case_and_changes_nothing(tested: DeployHarness) -> None:
    tested.case("second")
    tested.function.calls.clear()
    record = live_smoke.smoke(rung(tested))
    assert (record["version"], record["digest"], record["passed"], record["failed"]) == ("1", digest("one"), 2, 0)
    head, *rows = tested.out.getvalue().splitlines()
    assert head.split() == ["case", "result", "slowest", "runs", "why"]
    assert [row.split()[:2] for row in rows] == [["answers", "passed"], ["second", "passed"]]
    assert set(tested.function.calls) == {"GetAlias", "GetFunction", "Invoke"}


def test_a_case_that_fails_says_why_in_the_table_and_whole_in_the_record(tested: DeployHarness) -> None:
    tested.case("second", expect={"status": 201, "jsonpath": {"$.body": "x"}})
    with pytest.raises(StepladderError, match="version 1 of staging fails 1 of 2 smoke cases") as caught:
        live_smoke.smoke(rung(tested))
    assert caught.value.exit_code == 1
    (failed,) = [case for case in caught.value.record["cases"] if not case["passed"]]  # type: ignore[attr-defined]
    assert (failed["name"], len(failed["mismatches"])) == ("second", 2)
    assert "status: expected 201" in tested.out.getvalue()


def test_json_is_one_document_and_no_table(tested: DeployHarness) -> None:
    live_smoke.smoke(rung(tested, as_json=True))
    assert tested.out.getvalue() == ""
    assert json.dumps(live_smoke.smoke(rung(tested, as_json=True)))


def test_one_version_can_be_tested_and_one_that_is_missing_is_refused(tested: DeployHarness) -> None:
    tested.source = "two"
    tested.deploy()
    assert live_smoke.smoke(rung(tested), "1")["digest"] == digest("one")
    with pytest.raises(RefusedError, match="there is no version 9"):
        live_smoke.smoke(rung(tested), "9")


def test_where_nothing_is_live_there_is_nothing_to_test(harness: DeployHarness) -> None:
    harness.case("answers")
    with pytest.raises(RefusedError, match="nothing is live on staging"):
        live_smoke.smoke(rung(harness))


def test_traffic_that_is_split_is_told(tested: DeployHarness) -> None:
    tested.function.point("1", {"7": 0.1})
    live_smoke.smoke(rung(tested))
    assert "any of them may answer a case" in tested.printed
