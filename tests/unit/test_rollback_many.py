"""`inv rollback` of a project with several functions, on fake AWS: what was released together returns together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import TABLE, digest
from fakes.errors import DENIED
from fakes.many_harness import ManyHarness

from stepladder.commands.rollback_many import RollbackManyReport, RollbackOptions, run
from stepladder.core.errors import BadInputError, ExitCode, LockedError, RefusedError, RollbackFailedError

FUNCTIONS = {"mailer": {}, "resizer": {"image": {"context": "functions/resizer"}}}


@pytest.fixture
def harness(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyHarness:
    """Three functions with versions 1, and 2 of the two that share an image."""
    monkeypatch.delenv("CI", raising=False)
    made = ManyHarness(tmp_path, FUNCTIONS)
    made.own_source["functions/resizer"] = "own"
    made.deploy_many()
    made.source = "two"
    made.deploy_many()
    assert made.live_versions == {"": "2", "mailer": "2", "resizer": "1"}
    return made


def roll_back(harness: ManyHarness, *names: str, **options: Any) -> RollbackManyReport:
    harness.begin()
    report = run(harness.rung(), names, RollbackOptions(**options))
    assert isinstance(report, RollbackManyReport)
    return report


def is_bad(harness: ManyHarness, source: str) -> bool:
    return harness.rung().ledger.is_bad(digest(source)) is not None


def no_locks(harness: ManyHarness) -> bool:
    return not any(sk == "lock" for _, sk in harness.table.tables[TABLE])


def test_the_functions_of_the_newest_deploy_return_together(harness: ManyHarness) -> None:
    report = roll_back(harness, why="blanks")
    assert harness.live_versions == {"": "1", "mailer": "1", "resizer": "1"}
    assert sorted(report.functions) == ["", "mailer"]
    assert len({one.release_id for one in report.functions.values()}) == 1
    assert harness.results("mailer")[-1] == ("rollback", "1", "succeeded")
    assert harness.results("resizer") == [("deploy", "1", "succeeded")]
    assert is_bad(harness, "two")
    assert "staging: 2 functions are rolled back, verified" in harness.printed
    assert no_locks(harness)


def test_a_function_that_is_named_returns_without_the_others(harness: ManyHarness) -> None:
    report = roll_back(harness, "mailer")
    assert harness.live_versions == {"": "2", "mailer": "1", "resizer": "1"}
    assert list(report.functions) == ["mailer"]
    assert not is_bad(harness, "two"), "another function serves the image still"
    assert "other functions serve it" in harness.printed


def test_the_own_function_is_called_main_and_an_unknown_one_is_refused(harness: ManyHarness) -> None:
    assert list(roll_back(harness, "main", bad=True).functions) == [""]
    assert is_bad(harness, "two")
    with pytest.raises(BadInputError, match="there is no function 'mialer'"):
        roll_back(harness, "mialer")


def test_a_dry_run_names_every_function_and_changes_nothing(harness: ManyHarness) -> None:
    report = roll_back(harness, dry_run=True)
    assert report.result == "dry_run"
    assert sorted(report.functions) == ["", "mailer"]
    assert "staging-mailer: would move live to version 1" in harness.printed
    assert harness.live_versions == {"": "2", "mailer": "2", "resizer": "1"}


def test_a_dry_run_says_of_an_image_that_others_serve_that_it_is_not_marked(harness: ManyHarness) -> None:
    report = roll_back(harness, "mailer", dry_run=True)
    assert "other functions serve it; --bad marks it nevertheless" in harness.printed
    assert "would be marked bad" not in harness.printed
    assert report.functions["mailer"].marked_bad == ""
    assert roll_back(harness, "mailer", dry_run=True, bad=True).functions["mailer"].marked_bad == digest("two")


def test_one_function_that_can_not_return_keeps_all_where_they_are(harness: ManyHarness) -> None:
    del harness.many["mailer"].versions["1"]
    with pytest.raises(RefusedError, match=r"staging-mailer: release .* can't serve any more"):
        roll_back(harness)
    assert harness.live_versions == {"": "2", "mailer": "2", "resizer": "1"}
    assert no_locks(harness)


def test_a_function_that_somebody_is_at_work_on_keeps_all_where_they_are(harness: ManyHarness) -> None:
    harness.begin()
    other = harness.rung().of_function("mailer")
    other.lock.acquire()
    other.lock.stop_renewing()
    harness.table.tables[TABLE]["env#staging-mailer", "lock"] |= {"host": {"S": "other"}, "boot_id": {"S": "other"}}
    with pytest.raises(LockedError):
        roll_back(harness)
    assert harness.live_versions == {"": "2", "mailer": "2", "resizer": "1"}


def test_an_alias_that_can_not_be_moved_takes_no_other_back_to_the_bad_version(harness: ManyHarness) -> None:
    harness.many["mailer"].fail("UpdateAlias", DENIED)
    with pytest.raises(RollbackFailedError, match="staging-mailer: ") as caught:
        roll_back(harness)
    assert caught.value.exit_code == ExitCode.ROLLBACK_FAILED
    assert caught.value.problems == ("staging: returned to version 1, verified",)
    assert harness.live_versions == {"": "1", "mailer": "2", "resizer": "1"}
    report = roll_back(harness)
    assert list(report.functions) == ["mailer"], "the same command goes on with what is left"
    assert harness.live_versions == {"": "1", "mailer": "1", "resizer": "1"}
    assert no_locks(harness)


@pytest.mark.parametrize(("names", "flags"), [((), ""), (("main", "mailer"), " --function mailer")])
def test_the_hint_goes_on_to_the_release_that_was_named(
    harness: ManyHarness, names: tuple[str, ...], flags: str
) -> None:
    first = harness.items_of("staging", "release#")[0]["release_id"]
    harness.source = "three"
    harness.deploy_many()
    harness.many["mailer"].fail("UpdateAlias", DENIED)
    with pytest.raises(RollbackFailedError) as caught:
        roll_back(harness, *names, to=first)
    assert caught.value.hint == f"go on with it: `inv rollback --env staging --to {first}{flags}`"
    roll_back(harness, *names[1:], to=first)
    assert harness.live_versions == {"": "1", "mailer": "1", "resizer": "1"}, "two releases down, as the others"


class KilledError(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("action", "passed"), [("UpdateAlias", 0), ("UpdateAlias", 1), ("TransactWriteItems", 1)])
def test_a_rollback_that_was_killed_is_finished_by_the_same_command(
    harness: ManyHarness, action: str, passed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [passed]

    def before(real: Any) -> Any:
        def called(what: str) -> None:
            left[0] -= what == action
            if left[0] < 0:
                raise KilledError
            real(what)

        return called

    with monkeypatch.context() as patch:
        for fake in (*harness.many.values(), harness.table):
            patch.setattr(fake, "called", before(fake.called))
        with pytest.raises(KilledError):
            roll_back(harness)
    for (_, sk), item in harness.table.tables[TABLE].items():
        if sk == "lock":
            item |= {"boot_id": {"S": "another boot"}, "expires": {"N": "1"}}
    roll_back(harness)
    assert harness.live_versions == {"": "1", "mailer": "1", "resizer": "1"}
    assert [harness.results(name)[-1] for name in ("", "mailer")] == [("rollback", "1", "succeeded")] * 2
    assert no_locks(harness)


def test_a_release_that_is_named_returns_every_function_that_has_it(harness: ManyHarness) -> None:
    first = harness.items_of("staging", "release#")[0]["release_id"]
    harness.source = "three"
    harness.deploy_many()
    roll_back(harness, to=first)
    assert harness.live_versions == {"": "1", "mailer": "1", "resizer": "1"}
    with pytest.raises(RefusedError, match="no function of staging has release"):
        roll_back(harness, to="20200101T000000Z-abcdef")


def test_a_second_rollback_goes_further_down(harness: ManyHarness) -> None:
    harness.source = "three"
    harness.deploy_many()
    roll_back(harness)
    roll_back(harness)
    assert harness.live_versions == {"": "1", "mailer": "1", "resizer": "1"}


def test_a_function_whose_traffic_is_half_shifted_returns_alone(harness: ManyHarness) -> None:
    harness.own_source["functions/resizer"] = "new"
    harness.deploy_many()
    harness.source = "three"
    harness.deploy_many()
    harness.many["resizer"].point("1", {"2": 0.1})
    assert list(roll_back(harness, bad=False).functions) == ["resizer"]
    assert harness.live_versions == {"": "3", "mailer": "3", "resizer": "2"}


def test_a_deploy_that_was_killed_between_two_records_returns_whole(
    harness: ManyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness.source = "three"
    left = [1]

    def called(what: str) -> None:
        left[0] -= what == "TransactWriteItems"
        if left[0] < 0:
            raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(harness.table, "called", called)
        with pytest.raises(KilledError):
            harness.deploy_many()
    for (_, sk), item in harness.table.tables[TABLE].items():
        if sk == "lock":
            item |= {"boot_id": {"S": "another boot"}, "expires": {"N": "1"}}
    assert sorted(roll_back(harness).functions) == ["", "mailer"]
    assert harness.live_versions == {"": "2", "mailer": "2", "resizer": "1"}


def test_a_project_with_its_own_function_alone_has_the_rollback_of_one(tmp_path: Path) -> None:
    alone = ManyHarness(tmp_path, {})
    for source in ("one", "two"):
        alone.source = source
        alone.deploy_many()
    report = run(alone.rung(), ["main"], RollbackOptions())
    assert "functions" not in report.record()
    assert (report.result, alone.live_versions) == ("rolled_back", {"": "1"})
