"""`inv deploy` of a project with several functions, on fake AWS: what changed is released, all of it or none."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, digest
from fakes.errors import BROKEN, DENIED, THROTTLED
from fakes.many_harness import ManyHarness

from stepladder.commands.deploy import DeployOptions
from stepladder.commands.deploy_chosen import run
from stepladder.core.errors import (
    BadInputError,
    ExitCode,
    LockedError,
    RefusedError,
    RollbackFailedError,
    RolledBackError,
    StepladderError,
)
from stepladder.ledger.schema import Bad
from stepladder.terraform.failures import TerraformError

FUNCTIONS = {"mailer": {}, "resizer": {"image": {"context": "functions/resizer"}}}
EVERY = {"": "1", "mailer": "1", "resizer": "1"}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyHarness:
    monkeypatch.delenv("CI", raising=False)
    made = ManyHarness(tmp_path, FUNCTIONS)
    made.own_source["functions/resizer"] = "own"
    return made


@pytest.fixture
def live(harness: ManyHarness) -> ManyHarness:
    harness.deploy_many()
    return harness


def no_locks(harness: ManyHarness) -> bool:
    return not any(sk == "lock" for _, sk in harness.table.tables[TABLE])


def test_the_first_deployment_makes_and_releases_every_function_under_one_release_id(harness: ManyHarness) -> None:
    report = harness.deploy_many()
    assert harness.applied == ["foundation", "service"]
    assert sorted(harness.pushed) == ["one", "own"], "functions that share an image have it built once"
    assert harness.live_versions == EVERY
    assert {name: one.digest for name, one in report.functions.items()} == {
        "": digest("one"),
        "mailer": digest("one"),
        "resizer": digest("own"),
    }
    assert {one.release_id for one in report.functions.values()} == {report.release_id}
    assert [harness.results(name) for name in EVERY] == [[("deploy", "1", "succeeded")]] * 3
    assert no_locks(harness)


def test_with_nothing_changed_each_alias_is_read_and_the_ledger_once(live: ManyHarness) -> None:
    report = live.deploy_many()
    assert sorted(live.aws.calls) == ["dynamodb:BatchGetItem", *["lambda:GetAlias"] * 3]
    assert report.result == "unchanged"
    assert len(live.hashed) == 2, "an image that several functions share is hashed once"
    assert (live.applied, live.pushed) == ([], [])
    assert "staging: nothing to do, 3 functions are live" in live.printed


def test_only_the_function_whose_image_changed_is_released(live: ManyHarness) -> None:
    live.own_source["functions/resizer"] = "two"
    report = live.deploy_many()
    assert live.live_versions == {**EVERY, "resizer": "2"}
    assert {name: one.result for name, one in report.functions.items()} == {
        "": "unchanged",
        "mailer": "unchanged",
        "resizer": "released",
    }
    assert [live.results(name) for name in ("", "mailer")] == [[("deploy", "1", "succeeded")]] * 2
    assert "staging: 1 released, 2 unchanged" in live.printed
    assert live.applied == []


def test_a_function_that_is_named_is_deployed_without_the_others(live: ManyHarness) -> None:
    live.source = "two"
    report = live.deploy_many("mailer")
    assert live.live_versions == {**EVERY, "mailer": "2"}
    assert list(report.functions) == ["mailer"]


def test_a_smoke_case_that_fails_for_one_function_moves_none(live: ManyHarness) -> None:
    for folder in ("", "mailer", "resizer"):
        live.case("works", folder=folder, expect={"status": 200})
    live.many["mailer"].handler = lambda image, _p: ({"statusCode": 500 if image == digest("two") else 200}, False)
    live.source = "two"
    with pytest.raises(RefusedError, match="mailer: version 2 fails 1 of 1 smoke cases") as caught:
        live.deploy_many()
    assert caught.value.exit_code == ExitCode.REFUSED
    assert caught.value.kind == "smoke-failed"
    assert live.live_versions == EVERY
    assert live.results("mailer")[1:] == [("deploy", "2", "failed")]
    results = {one["name"]: one["result"] for one in caught.value.record["functions"]}  # type: ignore[attr-defined]
    assert results["mailer"] == "failed"
    assert results["resizer"] in {"unchanged", "tested"}
    assert no_locks(live)


def test_an_apply_that_failed_is_in_the_ledger_once_for_the_environment(live: ManyHarness) -> None:
    def refuse(**_: Any) -> None:
        raise TerraformError("terraform apply of staging/service failed: no", hint="see", diagnostics=())

    live.many["mailer"].configure = refuse  # type: ignore[method-assign]
    live.infra_inputs = "two"
    with pytest.raises(TerraformError):
        live.deploy_many()
    entry = live.items_of("staging", "release#")[-1]
    assert (entry["kind"], entry["result"], entry["error_kind"]) == ("deploy", "failed", "terraform-failed")
    assert entry["failed_step"] == "service"
    assert len(live.items_of("staging-mailer", "release#")) == 1, "no function of its own had begun"
    assert live.live_versions == EVERY


def test_a_version_that_waited_for_the_others_is_in_the_ledger_with_the_reason(live: ManyHarness) -> None:
    live.source = "two"
    both = threading.Barrier(2, timeout=60)
    live.many[""].before("PublishVersion", both.wait)
    live.many["mailer"].before("PublishVersion", both.wait)
    live.many["mailer"].fail("PublishVersion", DENIED)
    with pytest.raises(StepladderError, match=r"staging-mailer: .*AccessDenied"):
        live.deploy_many()
    (_, entry) = live.items_of("staging", "release#")
    assert entry["result"] == "failed"
    assert "another function of this deploy failed" in entry["cause"]
    assert live.live_versions == EVERY


def fail_one_alias(harness: ManyHarness, name: str = "resizer") -> None:
    """Have every other alias moved before this one's move is refused by AWS."""
    others = [fake for other, fake in harness.many.items() if other != name]
    moved = threading.Semaphore(0)
    for fake in others:
        fake.after("UpdateAlias", moved.release)

    def all_moved() -> None:
        for _ in others:
            assert moved.acquire(timeout=60)

    harness.many[name].before("UpdateAlias", all_moved)
    harness.many[name].fail("UpdateAlias", DENIED)


def test_when_one_alias_cannot_be_moved_those_that_moved_return_and_the_ledger_says_so(live: ManyHarness) -> None:
    live.source, live.own_source["functions/resizer"] = "two", "two"
    fail_one_alias(live)
    with pytest.raises(RolledBackError, match="resizer: ") as caught:
        live.deploy_many()
    assert caught.value.exit_code == ExitCode.ROLLED_BACK
    assert sorted(caught.value.problems) == [
        "staging-mailer: returned from version 2 to 1, verified",
        "staging: returned from version 2 to 1, verified",
    ]
    assert live.live_versions == EVERY
    assert [live.results(name)[1:] for name in ("", "mailer")] == [[("deploy", "2", "rolled_back")]] * 2
    assert live.results("resizer")[1:] == [("deploy", "2", "failed")]
    assert no_locks(live)
    assert live.deploy_many().result == "released"
    assert live.live_versions == {"": "2", "mailer": "2", "resizer": "2"}


def test_functions_of_a_first_release_return_to_latest(harness: ManyHarness) -> None:
    fail_one_alias(harness)
    with pytest.raises(RolledBackError):
        harness.deploy_many()
    assert set(harness.live_versions.values()) == {"$LATEST"}
    assert harness.deploy_many().result == "released"


def test_an_alias_that_cannot_be_returned_is_named_with_exit_code_5(live: ManyHarness) -> None:
    live.source, live.own_source["functions/resizer"] = "two", "two"
    fail_one_alias(live)
    live.many["mailer"].fail("UpdateAlias", DENIED, after=1)
    with pytest.raises(RollbackFailedError, match="mailer: hello-staging-mailer serves version 2") as caught:
        live.deploy_many()
    assert caught.value.exit_code == ExitCode.ROLLBACK_FAILED
    assert any(line.startswith("staging-resizer: ") for line in caught.value.problems)
    assert "staging: returned from version 2 to 1, verified" in caught.value.problems
    assert live.live_versions == {**EVERY, "mailer": "2"}
    assert live.results("mailer")[-1] == ("deploy", "2", "rollback_failed")


def test_a_ledger_that_cannot_be_written_for_one_function_is_written_by_the_next_deploy(live: ManyHarness) -> None:
    live.source = "two"
    live.table.fail("TransactWriteItems", DENIED)
    with pytest.raises(StepladderError, match="the ledger could not be written"):
        live.deploy_many()
    assert live.live_versions == {**EVERY, "": "2", "mailer": "2"}
    live.deploy_many()
    assert [live.results(name)[1:] for name in ("", "mailer")] == [[("deploy", "2", "succeeded")]] * 2
    assert live.deploy_many().result == "unchanged"
    assert no_locks(live)


class KilledError(BaseException):
    """The process ends here: nothing after it is done."""


class Death:
    """Ends the process at a call: the one after `passed` calls of an action, by whichever function."""

    def __init__(self, action: str, passed: int) -> None:
        self.action, self.left = action, passed
        self._lock = threading.Lock()

    def before(self, real: Callable[[str], None]) -> Callable[[str], None]:
        def called(what: str) -> None:
            with self._lock:
                self.left -= what == self.action
                if self.left < 0:
                    raise KilledError
            real(what)

        return called


KILLS = (
    *((action, passed) for action in ("UpdateFunctionCode", "PublishVersion", "UpdateAlias") for passed in (0, 1, 2)),
    *((action, passed) for action in ("PutItem", "UpdateItem", "TransactWriteItems") for passed in (0, 1, 2)),
)


@pytest.mark.parametrize(("action", "passed"), KILLS)
def test_a_deploy_that_was_killed_is_finished_by_the_next(
    live: ManyHarness, action: str, passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.source, live.own_source["functions/resizer"] = "two", "two"
    death = Death(action, passed)
    with monkeypatch.context() as patch:
        for fake in (*live.many.values(), live.table):
            patch.setattr(fake, "called", death.before(fake.called))
        with pytest.raises(KilledError):
            live.deploy_many()
    for (_, sk), item in live.table.tables[TABLE].items():
        if sk == "lock":
            item |= {"boot_id": {"S": "another boot"}, "expires": {"N": "1"}}
    live.deploy_many()
    assert live.live_versions == {"": "2", "mailer": "2", "resizer": "2"}
    assert [live.results(name)[-1] for name in EVERY] == [("deploy", "2", "succeeded")] * 3
    assert no_locks(live)
    assert live.deploy_many().result == "unchanged"


def test_a_new_function_has_its_image_before_terraform_makes_it(live: ManyHarness, tmp_path: Path) -> None:
    more = ManyHarness(tmp_path, {**FUNCTIONS, "billing": {"image": {"context": "functions/billing"}}}, below=live)
    more.many = {**live.many, "billing": more.many["billing"]}
    more.aws.clients["lambda"].functions |= {fake.name: fake for fake in more.many.values()}
    more.own_source = {"functions/resizer": "own", "functions/billing": "fresh"}
    more.infra_inputs = "a function more"
    report = more.deploy_many()
    assert (more.pushed, more.applied) == (["fresh"], ["service"])
    assert more.live_versions == {**EVERY, "billing": "1"}
    assert report.functions["billing"].result == "released"
    assert report.functions["mailer"].result == "applied"


def test_a_new_function_that_was_not_named_is_released_with_the_apply_that_makes_it(
    live: ManyHarness, tmp_path: Path
) -> None:
    more = ManyHarness(tmp_path, {**FUNCTIONS, "billing": {}}, below=live)
    more.many = {**live.many, "billing": more.many["billing"]}
    more.aws.clients["lambda"].functions |= {fake.name: fake for fake in more.many.values()}
    more.own_source["functions/resizer"] = "own"
    more.infra_inputs = "a function more"
    assert set(more.deploy_many("mailer").functions) == {"mailer", "billing"}
    assert "billing is new" in more.printed
    assert more.live_versions == {**EVERY, "billing": "1"}


def test_a_configuration_that_changed_for_one_function_releases_that_one(live: ManyHarness) -> None:
    live.infra_inputs = "more memory"
    live.configured["mailer"] = {"MemorySize": 512}
    report = live.deploy_many()
    assert live.live_versions == {**EVERY, "mailer": "2"}
    assert {name: one.result for name, one in report.functions.items()} == {
        "": "applied",
        "mailer": "released",
        "resizer": "applied",
    }
    assert live.deploy_many().result == "unchanged"
    infra = live.items("infra")[0]
    assert set(json.loads(infra["config_hashes"])) == {"mailer", "resizer"}
    assert set(json.loads(infra["outputs"])["functions"]) == {"mailer", "resizer"}


def hold(harness: ManyHarness, target: str) -> None:
    """Have another run at work on a target."""
    harness.begin()
    rung = harness.rung().of_function(target)
    rung.lock.acquire()
    rung.lock.stop_renewing()
    key = (f"env#{rung.target}", "lock")
    harness.table.tables[TABLE][key]["boot_id"] = {"S": "another boot"}
    harness.table.tables[TABLE][key]["host"] = {"S": "elsewhere"}


def test_a_function_that_somebody_else_is_at_work_on_is_refused_before_anything_moves(live: ManyHarness) -> None:
    live.source = "two"
    hold(live, "mailer")
    with pytest.raises(LockedError, match="staging-mailer"):
        live.deploy_many()
    assert live.live_versions == EVERY
    assert not [item for item in live.items_of("staging") if item["sk"] == "lock"]


def test_two_runs_on_different_functions_do_not_block_each_other(live: ManyHarness) -> None:
    live.own_source["functions/resizer"] = "two"
    hold(live, "mailer")
    assert live.deploy_many("resizer").result == "released"
    hold(live, "")
    live.own_source["functions/resizer"] = "three"
    assert live.deploy_many("resizer").result == "released"
    assert live.live_versions == {**EVERY, "resizer": "3"}


def test_terraform_waits_for_the_environment_and_gives_it_back_before_the_releases(live: ManyHarness) -> None:
    live.infra_inputs, live.own_source["functions/resizer"] = "more memory", "two"
    held: list[bool] = []
    live.many["resizer"].before(
        "UpdateAlias", lambda: held.append(bool([i for i in live.items_of("staging") if i["sk"] == "lock"]))
    )
    live.deploy_many("resizer")
    assert held == [False]
    hold(live, "")
    live.infra_inputs = "less"
    with pytest.raises(LockedError):
        live.deploy_many("resizer")


def test_a_dry_run_says_what_each_function_would_do_and_changes_nothing(live: ManyHarness) -> None:
    live.own_source["functions/resizer"] = "two"
    before = json.dumps(sorted(map(str, live.table.tables[TABLE].items())))
    report = live.deploy_many(dry_run=True)
    assert report.result == "dry_run"
    assert "resizer: would publish, test and move the alias: new image" in live.printed
    assert "1 function would change, 2 would not" in live.printed
    assert json.dumps(sorted(map(str, live.table.tables[TABLE].items()))) == before
    assert live.live_versions == EVERY


def test_throttled_reads_are_made_again(live: ManyHarness) -> None:
    for fake in live.many.values():
        fake.fail("GetAlias", THROTTLED, times=3)
        fake.fail("GetFunction", THROTTLED, times=2)
    live.codedeploy.fail("ListDeployments", THROTTLED, times=2)
    live.source = "two"
    for fake in live.many.values():
        fake.fail("UpdateFunctionCode", THROTTLED, times=2)
        fake.fail("GetFunctionConfiguration", THROTTLED, times=2)
        fake.fail("UpdateAlias", BROKEN)
    assert live.deploy_many().result == "released"
    assert live.live_versions == {**EVERY, "": "2", "mailer": "2"}


def test_a_configuration_that_was_changed_by_hand_is_set_back_before_the_release(live: ManyHarness) -> None:
    live.many["mailer"].configure(MemorySize=3008)
    live.configured["mailer"] = {"MemorySize": 256}
    live.source = "two"
    live.deploy_many()
    assert live.applied == ["service"]
    assert live.many["mailer"].versions["2"]["MemorySize"] == 256
    assert "mailer: changed by hand" in live.printed


def test_an_image_that_is_marked_bad_is_refused_for_every_function_that_has_it(live: ManyHarness) -> None:
    live.rung().ledger.mark_bad(digest("two"), Bad("2026-11-26T00:00:00Z", "ada", "blanks"))
    live.own_source["functions/resizer"] = "two"
    with pytest.raises(RefusedError, match="marked bad by ada"):
        live.deploy_many()
    assert live.live_versions == EVERY
    assert live.deploy_many(force=True).result == "released"


def test_a_deleted_alias_of_one_function_returns_to_what_was_released(live: ManyHarness) -> None:
    live.many["mailer"].alias = None
    live.deploy_many()
    assert live.live_versions == EVERY
    assert live.applied == ["service"], "what hung on the alias is made again"
    assert no_locks(live)


def test_the_record_lists_every_function(live: ManyHarness) -> None:
    live.source = "two"
    record = live.deploy_many().record()
    functions: Any = record["functions"]
    assert [one["name"] for one in functions] == ["", "mailer", "resizer"]
    assert [(one["result"], one["previous_version"], one["version"]) for one in functions] == [
        ("released", "1", "2"),
        ("released", "1", "2"),
        ("unchanged", "1", "1"),
    ]


def interrupt() -> None:
    """What Ctrl-C does: the main thread waits for the others just then."""
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.1)


def test_an_interrupt_before_traffic_moves_nothing_and_gives_the_locks_back(live: ManyHarness) -> None:
    live.source = "two"
    live.many["mailer"].before("PublishVersion", interrupt)
    with pytest.raises(KeyboardInterrupt):
        live.deploy_many()
    assert live.live_versions == EVERY
    assert no_locks(live)
    assert {item["cause"] for name in ("", "mailer") for item in entries(live, name)[1:]} <= {"interrupted"}
    assert live.deploy_many().result == "released"


def test_an_interrupt_while_aliases_move_waits_until_all_have_and_are_recorded(live: ManyHarness) -> None:
    live.source = "two"
    live.many["mailer"].before("UpdateAlias", interrupt)
    with pytest.raises(KeyboardInterrupt):
        live.deploy_many()
    assert live.live_versions == {**EVERY, "": "2", "mailer": "2"}
    assert [live.results(name)[1:] for name in ("", "mailer")] == [[("deploy", "2", "succeeded")]] * 2
    assert no_locks(live)


def entries(harness: ManyHarness, name: str) -> list[dict[str, Any]]:
    return harness.items_of(f"staging-{name}" if name else "staging", "release#")


def test_what_another_run_released_in_between_is_read_again(live: ManyHarness) -> None:
    live.own_source["functions/resizer"] = "two"
    other = ManyHarness.of(live)
    other.own_source["functions/resizer"] = "three"

    put = live.table.put_item

    def overtaken(**request: Any) -> Any:
        live.table.put_item = put  # type: ignore[method-assign]
        other.deploy_many("resizer")
        return put(**request)

    live.table.put_item = overtaken  # type: ignore[method-assign]
    assert live.deploy_many("resizer").result == "released"
    assert "another run released here meanwhile" in live.printed
    assert [version for _, version, result in live.results("resizer") if result == "succeeded"] == ["1", "2", "3"]


def test_a_project_without_a_function_of_its_own_deploys_the_named_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {"mailer": {}, "resizer": {}}, main=False)
    assert set(harness.deploy_many().functions) == {"mailer", "resizer"}
    assert harness.deploy_many().result == "unchanged"
    harness.source = "two"
    harness.deploy_many("mailer")
    assert harness.live_versions == {"mailer": "2", "resizer": "1"}
    assert harness.many.keys() == {"mailer", "resizer"}


def test_above_the_lowest_rung_each_function_gets_what_the_rung_below_serves(live: ManyHarness) -> None:
    upper = ManyHarness.above(live)
    upper.source = upper.own_source["functions/resizer"] = "never built"
    upper.deploy_many()
    assert upper.pushed == []
    assert {name: fake.versions["1"]["ImageUri"][-64:] for name, fake in upper.many.items()} == {
        "": digest("one")[7:],
        "mailer": digest("one")[7:],
        "resizer": digest("own")[7:],
    }
    with pytest.raises(RefusedError, match=r"production-\w+: production.* gets its images by promotion"):
        upper.deploy_many("mailer", "resizer")
    upper.deploy_many("mailer", skip_ladder=True, why="an outage")
    assert entries_of(upper, "production-mailer")[-1]["skipped_ladder"] == "an outage"


def entries_of(harness: ManyHarness, target: str) -> list[dict[str, Any]]:
    return harness.items_of(target, "release#")


def test_a_hundred_functions_with_nothing_changed_cost_three_reads_of_the_ledger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {f"f{number:03}": {} for number in range(99)})
    harness.deploy_many()
    assert harness.deploy_many().result == "unchanged"
    calls = Counter(harness.aws.calls)
    assert calls == {"dynamodb:BatchGetItem": 3, "lambda:GetAlias": 100}
    assert len(harness.hashed) == 1
    assert len(harness.printed.splitlines()) < 10


def test_locks_are_taken_in_the_order_of_their_names(live: ManyHarness) -> None:
    live.source, live.own_source["functions/resizer"] = "two", "two"
    order: list[str] = []
    put = live.table.put_item

    def noted(**request: Any) -> Any:
        if request["Item"]["sk"]["S"] == "lock":
            order.append(request["Item"]["pk"]["S"])
        return put(**request)

    live.table.put_item = noted  # type: ignore[method-assign]
    live.deploy_many()
    assert order == ["env#staging", "env#staging-mailer", "env#staging-resizer"]


def test_a_release_command_that_fails_for_one_function_moves_none_and_each_has_its_own_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    command = {"release_command": {"command": "migrate"}}
    harness = ManyHarness(tmp_path, {"mailer": command, "orders": {}}, **command)
    sent: list[tuple[str, Any]] = []
    for name, function in harness.many.items():
        function.handler = lambda _image, payload, name=name: (
            sent.append((name, [payload["stepladder"].get(key) for key in ("environment", "function")]))
            or {"ok": name != "mailer"},
            False,
        )
    with pytest.raises(RefusedError, match="release command migrate of staging-mailer failed on version 1") as caught:
        harness.deploy_many()
    assert caught.value.exit_code == ExitCode.REFUSED
    assert sorted(sent) == [("", ["staging", None]), ("mailer", ["staging", "mailer"])]
    assert set(harness.live_versions.values()) == {"$LATEST"}
    records = {pk: item["outcome"]["S"] for (pk, _), item in harness.table.tables[TABLE].items() if "command#" in pk}
    assert records == {"command#staging": "succeeded", "command#staging-mailer": "failed"}
    assert no_locks(harness)


def test_a_project_with_its_own_function_alone_has_the_deploy_of_one(tmp_path: Path) -> None:
    harness = ManyHarness(tmp_path, {})
    report = run(harness.rung(), ["main"], harness.images, harness, DeployOptions(no_smoke=True))
    assert "functions" not in report.record()
    assert "staging: version 1 is live" in harness.printed
    with pytest.raises(BadInputError, match="there is no function 'mailer'"):
        run(harness.rung(), ["mailer"], harness.images, harness, DeployOptions(no_smoke=True))
