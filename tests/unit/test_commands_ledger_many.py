"""`inv ledger` of a project with several functions, on fake AWS; what is checked and marked is each function's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes.deploy_harness import digest
from fakes.many_harness import ManyHarness

from stepladder.commands import history, ledger, release_check, status_many
from stepladder.commands.history import HistoryOptions
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, DriftError, StepladderError
from stepladder.ledger.schema import Bad
from stepladder.releases import marks
from stepladder.releases.rung import Rung


@pytest.fixture
def few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyHarness:
    """Two functions with an image each, of which one was released twice."""
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {"mailer": {"image": {"context": "functions/mailer"}}})
    harness.own_source["functions/mailer"] = "own"
    harness.deploy_many()
    harness.own_source["functions/mailer"] = "newer"
    harness.deploy_many()
    return harness


def rung(harness: ManyHarness, *, as_json: bool = False) -> Rung:
    for stream in (harness.out, harness.err):
        stream.truncate(0)
        stream.seek(0)
    opened = harness.rung()
    object.__setattr__(opened, "console", Console(err=harness.err, out=harness.out, live=False, as_json=as_json))
    return opened


def rows(harness: ManyHarness) -> list[list[str]]:
    return [line.split() for line in harness.out.getvalue().splitlines()]


def ids(harness: ManyHarness) -> list[str]:
    return [item["release_id"] for item in harness.items_of("staging-mailer", "release#")]


def test_the_releases_of_all_functions_are_one_table_newest_first(few: ManyHarness) -> None:
    first, second = ids(few)
    history.show([rung(few)], HistoryOptions("", 20))
    shown = [[word for word in row[:4] if word != "*"] for row in rows(few)[1:]]
    assert [row[:2] for row in shown] == [[second, "mailer"], [first, "main"], [first, "mailer"]]
    assert [row[0] for row in rows(few)[1:]] == ["*", "*", first], "the live release of each function has a star"
    history.show([rung(few)], HistoryOptions("", 1))
    assert len(rows(few)) == 2
    history.show([rung(few, as_json=True)], HistoryOptions("", 20))
    records = json.loads(few.out.getvalue())
    assert [each["environment"] for each in records] == ["staging-mailer", "staging", "staging-mailer"]


def test_one_function_has_the_table_of_a_project_with_one(few: ManyHarness) -> None:
    history.show([rung(few)], HistoryOptions("mailer", 20))
    assert rows(few)[0][:2] == ["release", "kind"]
    assert len(rows(few)) == 3


def test_a_release_of_several_functions_is_a_row_each_and_one_of_one_is_whole(few: ManyHarness) -> None:
    first, second = ids(few)
    history.show([rung(few)], HistoryOptions("", 20, release=first))
    assert len(rows(few)) == 3
    assert f"`inv history --env staging --function mailer --release {first}`" in few.printed
    history.show([rung(few)], HistoryOptions("", 20, release=second))
    assert "staging-mailer" in few.out.getvalue()
    with pytest.raises(BadInputError, match="staging has no release 'x'"):
        history.show([rung(few)], HistoryOptions("", 20, release="x"))


def test_many_functions_that_were_released_together_are_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {f"job{number:02}": {} for number in range(20)})
    harness.deploy_many()
    history.show([rung(harness)], HistoryOptions("", 20))
    (row,) = rows(harness)[1:]
    assert row[0] == "*"
    assert row[2:4] == ["21", "functions"]
    assert digest("one")[7:19] in row


def test_the_releases_of_every_function_are_rebuilt(few: ManyHarness) -> None:
    table = few.table._table("hello-releases")
    for key in [key for key in table if key[1].startswith("release#")]:
        del table[key]
    ledger.rebuild_all(rung(few, as_json=True), "")
    records = json.loads(few.out.getvalue())
    assert [(each["environment"], each["version"]) for each in records] == [
        ("staging", "1"),
        ("staging-mailer", "1"),
        ("staging-mailer", "2"),
    ]


def test_a_mark_is_removed_by_a_digest_of_any_function_or_by_a_release_of_one_image(few: ManyHarness) -> None:
    first, second = ids(few)
    for source in ("own", "newer"):
        few.rung().ledger.mark_bad(digest(source), Bad("2026-11-26T10:00:00Z", "ci", "it failed"))
    assert marks.unmark(rung(few), marks.ImageQuery(digest("own")[7:19]))["digest"] == digest("own")
    assert marks.unmark(rung(few), marks.ImageQuery(release=second))["digest"] == digest("newer")
    with pytest.raises(BadInputError, match=f"release {first} is of 2 images"):
        marks.unmark(rung(few), marks.ImageQuery(release=first))


def check(harness: ManyHarness) -> None:
    release_check.check(status_many.of_functions([rung(harness)]))


def test_the_check_compares_every_function_and_leaves_one_report_of_an_environment(
    few: ManyHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    check(few)
    assert few.printed.splitlines() == [
        "staging: serves what the ledger says",
        "staging-mailer: serves what the ledger says",
    ]
    few.many["mailer"].point("1")
    few.function.point("1", {"2": 0.1})
    monkeypatch.setenv("CI", "true")
    with pytest.raises(DriftError, match="staging: 1 not as the ledger says; staging-mailer: 1 not as"):
        check(few)
    assert "`inv rollback --env staging --function mailer --to " in few.printed
    report = json.loads((few.root / ".stepladder/drift/staging.json").read_text())
    assert [each["where"] for each in report["releases"]["findings"]] == ["staging", "staging-mailer"]


def test_many_functions_that_serve_what_the_ledger_says_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CI", raising=False)
    harness = ManyHarness(tmp_path, {f"job{number:02}": {} for number in range(20)})
    harness.deploy_many()
    check(harness)
    assert harness.printed.splitlines() == ["staging: 21 of 21 functions serve what the ledger says"]
    harness.many["job07"].point("1", {"2": 0.1})
    with pytest.raises(StepladderError, match="staging-job07: 1 not as the ledger says"):
        check(harness)
    assert "staging: 20 of 21 functions serve what the ledger says" in harness.printed
