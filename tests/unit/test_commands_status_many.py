"""`inv status` of a project with several functions, on fake AWS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, digest
from fakes.errors import DENIED
from fakes.many_harness import ManyHarness

from stepladder.commands import status_many, status_rows
from stepladder.commands.status import PreviewStatus, RungStatus
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.ledger.schema import Bad

MANY = {f"job{number:02}": {} for number in range(99)}


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyHarness:
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {"mailer": {"image": {"context": "functions/mailer"}}, "resizer": {}})
    harness.own_source["functions/mailer"] = "own"
    harness.deploy_many()
    fine(harness)
    return harness


@pytest.fixture(scope="module")
def hundred(tmp_path_factory: pytest.TempPathFactory) -> ManyHarness:
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("CI", raising=False)
        harness = ManyHarness(tmp_path_factory.mktemp("hundred"), MANY)
        harness.deploy_many()
    fine(harness)
    return harness


def fine(harness: ManyHarness, **others: str) -> None:
    """Have each function's alarm on errors be OK, but for those that are given."""
    states = {f"{name}-errors" if name else "errors": "OK" for name in harness.settings.function_names}
    every = states | {f"{name}-errors": state for name, state in others.items()}
    harness.aws.clients["cloudwatch"].alarms = tuple(every.items())


def show(harness: ManyHarness, function: str = "", *, as_json: bool = False, **options: Any) -> list[RungStatus]:
    """Show it, with alarms for every function that are as they should be."""
    for stream in (harness.out, harness.err):
        stream.truncate(0)
        stream.seek(0)
    for client in (*harness.aws.clients.values(), *harness.many.values()):
        client.calls.clear()
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    rung = harness.rung()
    object.__setattr__(rung, "console", console)
    return status_many.show([rung], function, clock=lambda: harness.time.seconds + 300, **options)


def rows(harness: ManyHarness) -> list[list[str]]:
    return [line.split() for line in harness.out.getvalue().splitlines()]


def test_an_environment_of_several_functions_that_is_half_destroyed_is_told_once(few: ManyHarness) -> None:
    key, began = {"pk": {"S": "env#staging"}, "sk": {"S": "destroy"}}, "2027-01-15T07:00:00Z"
    few.table.put_item(TableName=TABLE, Item={**key, "owner": {"S": "ann"}, "since": {"S": began}})
    show(few)
    assert few.printed.count(f"staging is half destroyed, since {began}") == 1
    assert "`inv destroy --env staging`" in few.printed


def test_a_preview_of_several_functions_is_told_once(few: ManyHarness) -> None:
    show(few)
    made = PreviewStatus("feature", "", "2999-01-01T00:00:00Z", "https://abc.lambda-url/", "", "", "ci")
    statuses = [RungStatus("pr-12", preview=made), RungStatus("pr-12-mailer", preview=made)]
    status_rows.show(few.rung().console, few.settings, statuses, few.time.seconds, every=False)
    assert few.printed.count("pr-12: preview of feature, ") == 1


def test_each_of_few_functions_is_a_row(few: ManyHarness) -> None:
    show(few)
    assert [row[:4] for row in rows(few)] == [
        ["rung", "function", "version", "digest"],
        ["staging", "main", "1", digest("one")[7:19]],
        ["staging", "mailer", "1", digest("own")[7:19]],
        ["staging", "resizer", "1", digest("one")[7:19]],
    ]
    assert "staging: 3 functions: 3 ok" in few.printed


def test_json_has_a_record_for_each_with_its_rung_and_function(few: ManyHarness) -> None:
    show(few, as_json=True)
    records = json.loads(few.out.getvalue())
    assert [(each["environment"], each["rung"], each["function"]) for each in records] == [
        ("staging", "staging", ""),
        ("staging-mailer", "staging", "mailer"),
        ("staging-resizer", "staging", "resizer"),
    ]
    assert [each["digest"] for each in records] == [digest("one"), digest("own"), digest("one")]
    assert {each["released_at"] for each in records}.isdisjoint({""})


def test_one_function_is_shown_as_the_one_of_a_project(few: ManyHarness) -> None:
    (shown,) = show(few, "mailer")
    assert (shown.environment, shown.digest) == ("staging-mailer", digest("own"))
    assert rows(few)[0][:2] == ["rung", "version"]
    assert rows(few)[1][:2] == ["staging-mailer", "1"]
    with pytest.raises(BadInputError, match="no function 'mailr'"):
        show(few, "mailr")


def test_what_differs_is_spelled_out_and_the_rest_counted(hundred: ManyHarness) -> None:
    statuses = show(hundred)
    assert len(statuses) == 100
    assert [row[:3] for row in rows(hundred)] == [["rung", "function", "version"], ["staging", "100", "others"]]
    assert "`inv status --all`" in hundred.printed
    hundred.many["job07"].point("1", {"2": 0.1})
    fine(hundred, job11="ALARM")
    try:
        show(hundred)
        assert [row[1] for row in rows(hundred)] == ["function", "job07", "job11", "98"]
        assert "staging-job07: drift: weights were left behind" in hundred.printed
        assert "staging: 100 functions: 99 ok, 1 ALARM" in hundred.printed
        show(hundred, every=True)
        assert len(rows(hundred)) == 101
    finally:
        hundred.many["job07"].point("1")
        fine(hundred)


def test_a_hundred_functions_take_few_calls(hundred: ManyHarness) -> None:
    show(hundred)
    calls = [call.partition(":")[2] for call in hundred.aws.calls]
    counts = {call: calls.count(call) for call in set(calls)}
    assert counts == {"GetAlias": 100, "Query": 100, "BatchGetItem": 5, "DescribeAlarms": 3}


def test_a_function_that_cannot_be_read_hides_no_other(few: ManyHarness) -> None:
    few.many["mailer"].fail("GetAlias", DENIED)
    with pytest.raises(StepladderError, match="1 of 3 rungs can't be read: staging-mailer") as caught:
        show(few)
    assert [row[1] for row in rows(few)] == ["function", "main", "mailer", "resizer"]
    assert len(caught.value.record["rungs"]) == 3  # type: ignore[arg-type]


def test_a_bad_image_and_a_failed_release_are_named_by_function(few: ManyHarness) -> None:
    few.rung().ledger.mark_bad(digest("own"), Bad("2026-11-26T10:00:00Z", "ci", "it failed"))
    show(few)
    assert f"staging-mailer: image {digest('own')[7:19]} of version 1 is marked bad by ci" in few.printed
    assert rows(few)[2][4] == "bad"
    assert "1 marked bad" in few.printed


def test_functions_behind_the_rung_below_are_named_while_they_are_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    at = {"account": "123456789012", "region": "eu-west-1"}
    both = {"environments": {"staging": at, "production": at}, "rungs": ["staging", "production"]}
    functions = {f"job{number:02}": {} for number in range(12)} | {"own": {"image": {"context": "functions/own"}}}
    staging = ManyHarness(tmp_path, functions, **both)
    production = ManyHarness(tmp_path, functions, below=staging, name="production", **both)
    staging.deploy_many()
    production.deploy_many()
    staging.own_source["functions/own"] = "newer"
    staging.deploy_many()

    def every_alarm_is_ok(*, AlarmNames: list[str], **_: Any) -> dict[str, Any]:  # noqa: N803 - AWS's own name
        return {"MetricAlarms": [{"AlarmName": name, "StateValue": "OK"} for name in AlarmNames]}

    monkeypatch.setattr(staging.aws.clients["cloudwatch"], "describe_alarms", every_alarm_is_ok)

    def printed() -> list[list[str]]:
        staging.out.truncate(0)
        staging.out.seek(0)
        status_many.show([staging.rung(), staging.rung().sibling("production")], clock=lambda: staging.time.seconds)
        return [row[:2] for row in rows(staging)[1:]]

    assert printed() == [["staging", "14"], ["production", "own"], ["production", "13"]]
    assert "production: 14 functions: 14 ok; 1 serve another image than in staging" in staging.printed
    staging.source = "newer too"
    staging.deploy_many()
    assert printed() == [["staging", "14"], ["production", "14"]]
