"""`inv function.prune` on fake AWS: which versions stay, whatever happens, and which go."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import DeployHarness, digest
from fakes.errors import DENIED, THROTTLED, error
from fakes.many_harness import ManyHarness

from stepladder.commands import prune_versions
from stepladder.commands.prune_versions import PrunedVersions, VersionPruneOptions
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, LockedError, RefusedError
from stepladder.releases.rung import Rung

OLD = "2026-01-01T00:00:00.000+0000"
MADE = ("one", "two", "three", "four", "five", "six")


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """A rung that was released six times, long ago."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path)
    for source in MADE:
        harness.source = source
        harness.deploy()
    for version in harness.function.versions.values():
        version["LastModified"] = OLD
    return harness


def prune(harness: DeployHarness, function: str = "", **options: Any) -> PrunedVersions:
    return prune_versions.prune(keeping(harness.rung()), function, VersionPruneOptions(**{"yes": True, **options}))


def keeping(rung: Rung) -> Rung:
    """The rung of a project that keeps two releases, which is fewer than the setting allows."""
    return replace(rung, settings=replace(rung.settings, image=replace(rung.settings.image, keep=2)))


def left(harness: DeployHarness) -> str:
    return "".join(harness.function.versions)


def test_what_was_released_lately_stays_and_the_rest_goes(harness: DeployHarness) -> None:
    record = prune(harness)
    assert left(harness) == "56"
    assert record == {
        "environment": "staging",
        "result": "pruned",
        "keep": 2,
        "functions": [
            {"function": "hello-staging", "deleted": ["1", "2", "3", "4"], "kept": {"released": 1, "served": 1}}
        ],
    }
    assert prune(harness)["result"] == "unchanged"


def test_what_an_alias_sends_traffic_to_stays_however_old(harness: DeployHarness) -> None:
    harness.function.point("1", {"3": 0.1})
    prune(harness)
    assert left(harness) == "1356"


def test_the_releases_that_a_rollback_may_return_to_stay_though_newer_versions_failed(harness: DeployHarness) -> None:
    """What failed has versions too: by number the newest of them are no good releases."""
    table = harness.table._table("hello-releases")
    for (_, sk), item in sorted(table.items()):
        if sk.startswith("release#") and item["version"]["S"] in {"4", "5"}:
            item["result"] = {"S": "failed"}
    prune(harness)
    assert left(harness) == "356"


@pytest.mark.parametrize(
    ("use", "value", "reason"),
    [
        ("sources", ["2"], "called"),
        ("configured", ["2"], "called"),
        ("permitted", {"2"}, "called"),
        ("provisioned_for", ["2"], "provisioned"),
        ("executions", {"2": "RUNNING"}, "executing"),
        ("executions", {"2": "PAUSED"}, "executing"),
    ],
)
def test_a_version_that_is_in_use_stays(harness: DeployHarness, use: str, value: Any, reason: str) -> None:
    setattr(harness.function, use, value)
    harness.function.versions["2"]["DurableConfig"] = {"ExecutionTimeout": 3600}
    (pruned,) = prune(harness)["functions"]
    assert left(harness) == "256"
    assert pruned["kept"][reason] == 1


def test_a_durable_version_whose_executions_have_all_ended_goes(harness: DeployHarness) -> None:
    harness.function.executions = {"2": "SUCCEEDED"}
    harness.function.versions["2"]["DurableConfig"] = {"ExecutionTimeout": 3600}
    prune(harness)
    assert left(harness) == "56"


def test_a_region_that_knows_no_paused_executions_is_asked_for_running_ones(harness: DeployHarness) -> None:
    harness.function.executions = {"2": "RUNNING"}
    harness.function.versions["2"]["DurableConfig"] = {"ExecutionTimeout": 3600}
    harness.function.fail("ListDurableExecutionsByFunction", error("InvalidParameterValueException"))
    prune(harness, dry_run=True)
    assert harness.function.calls.count("ListDurableExecutionsByFunction") == 2
    assert left(harness) == "123456"


@pytest.mark.parametrize(
    "action",
    [
        "ListEventSourceMappings",
        "ListProvisionedConcurrencyConfigs",
        "ListFunctionEventInvokeConfigs",
        "GetPolicy",
        "ListDurableExecutionsByFunction",
    ],
)
def test_what_cannot_be_read_keeps_every_version_that_it_may_be_about(harness: DeployHarness, action: str) -> None:
    for version in harness.function.versions.values():
        version["DurableConfig"] = {"ExecutionTimeout": 3600}
    harness.function.fail(action, DENIED, times=99)
    (pruned,) = prune(harness)["functions"]
    assert left(harness) == "123456"
    assert pruned["kept"]["unknown"] == 4


def test_what_somebody_else_published_and_what_is_young_stays(harness: DeployHarness) -> None:
    harness.function.versions["1"]["Description"] = "by hand"
    harness.function.versions["2"]["LastModified"] = "2126-01-01T00:00:00.000+0000"
    harness.function.versions["3"]["LastModified"] = "no time"
    (pruned,) = prune(harness)["functions"]
    assert left(harness) == "12356"
    assert pruned["kept"] == {"foreign": 1, "young": 2, "released": 1, "served": 1}


def test_a_dry_run_and_a_missing_yes_delete_nothing_and_show_what_would_go(harness: DeployHarness) -> None:
    record = prune(harness, dry_run=True)
    assert record["result"] == "dry_run"
    assert record["functions"][0]["deleted"] == ["1", "2", "3", "4"]
    assert "1, 2, 3, 4" in harness.out.getvalue()
    with pytest.raises(RefusedError, match="4 versions would be deleted") as caught:
        prune(harness, yes=False)
    assert "`inv function.prune --env staging --yes`" in caught.value.hint
    with pytest.raises(RefusedError, match="1 version would be deleted") as caught:
        prune(harness, "main", yes=False, keep=5, min_age_hours=1)
    assert "`inv function.prune --env staging --function main --keep 5 --min-age-hours 1 --yes`" in caught.value.hint
    assert left(harness) == "123456"


def test_a_person_at_a_terminal_is_asked(harness: DeployHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Console, "ask", lambda _self, question: question == "delete 4 versions?")
    prune(harness, yes=False)
    assert left(harness) == "56"


def test_a_version_that_got_traffic_meanwhile_stays_and_is_warned_of(harness: DeployHarness) -> None:
    harness.function.before("DeleteFunction", lambda: harness.function.point("1"))
    prune(harness)
    assert left(harness) == "156"
    assert "version 1 of hello-staging is in use now" in harness.err.getvalue()


def test_a_run_that_was_cut_off_or_throttled_goes_on(harness: DeployHarness) -> None:
    harness.function.fail("DeleteFunction", THROTTLED, times=3)
    harness.function.before("DeleteFunction", lambda: None)
    harness.function.after("DeleteFunction", lambda: None)
    del harness.function.versions["2"]  # another run's
    prune(harness)
    assert left(harness) == "56"


def test_nothing_is_deleted_while_somebody_is_at_work_there(harness: DeployHarness) -> None:
    rung = harness.rung()
    with rung.locked(None), pytest.raises(LockedError):
        prune(harness)
    assert left(harness) == "123456"


def test_a_function_that_is_not_there_and_odd_arguments(harness: DeployHarness) -> None:
    for options in ({"keep": 1}, {"min_age_hours": -1}):
        with pytest.raises(BadInputError):
            prune(harness, **options)
    harness.function.fail("ListVersionsByFunction", error("ResourceNotFoundException", 404))
    assert prune(harness)["result"] == "unchanged"


def test_many_functions_are_pruned_each_by_its_own_setting_in_few_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {"mailer": {"image": {"context": "functions/mailer", "keep": 5}}})
    for source in MADE:
        harness.source, harness.own_source["functions/mailer"] = source, f"mail {source}"
        harness.deploy_many()
    functions = harness.aws.clients["lambda"].functions
    for function in functions.values():
        for version in function.versions.values():
            version["LastModified"] = OLD
        function.calls.clear()
    record = prune(harness)
    deleted = {each["function"]: each["deleted"] for each in record["functions"]}
    assert deleted == {"hello-staging": ["1", "2", "3", "4"], "hello-staging-mailer": ["1"]}
    calls = Counter(call for function in functions.values() for call in function.calls)
    assert calls["DeleteFunction"] == 5
    assert calls["GetPolicy"] <= 2 * calls["DeleteFunction"]
    assert digest("mail six") in {
        v["ImageUri"].rpartition("@")[2] for v in functions["hello-staging-mailer"].versions.values()
    }
