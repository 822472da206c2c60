"""`inv history` over several environments, on fake AWS. tests/unit/test_commands_ledger.py has one environment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.deploy_harness import ACCOUNT, REGION, DeployHarness
from fakes.errors import DENIED
from fakes.many_harness import ManyHarness

from stepladder.commands import environments, history
from stepladder.commands.history import HistoryOptions
from stepladder.core import git
from stepladder.core.clock import stamp
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.ledger.schema import Preview, ReleaseEntry
from stepladder.releases.rung import Rung

RUNGS: dict[str, Any] = {
    "rungs": ["staging", "production"],
    "environments": {name: {"account": ACCOUNT, "region": REGION} for name in ("staging", "production")},
}
COMMIT = "ab" * 20


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DeployHarness:
    """Two rungs, of which the lowest was released twice; the other has an entry of a promotion."""
    monkeypatch.delenv("CI", raising=False)
    harness = DeployHarness(tmp_path, **RUNGS)
    for source in ("one", "two"):
        harness.source = source
        harness.deploy()
    first = harness.rung().ledger.history("staging")[1]
    now = harness.time.seconds
    promoted = replace(
        first,
        release_id=first.release_id.replace("Z-", "Z-~"),  # behind the first, before the second
        environment="production",
        kind="promote",
        git_commit=COMMIT,
        started_at=stamp(now - 90),
        ended_at=stamp(now - 30),
    )
    harness.rung().ledger.write(promoted)
    return harness


def rungs(harness: DeployHarness, *names: str, as_json: bool = False) -> list[Rung]:
    for stream in (harness.out, harness.err):
        stream.truncate(0)
        stream.seek(0)
    console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
    own = harness.rung()
    return [Rung(own.settings, name, own.aws, console, "inv history", own.clock) for name in names]


def shown(bench: DeployHarness, rungs: Sequence[Rung], **options: Any) -> list[ReleaseEntry]:
    del bench
    return history.show(rungs, HistoryOptions(**options))


def test_the_environments_are_one_time_line_newest_first(bench: DeployHarness) -> None:
    both = rungs(bench, "staging", "production")
    assert [each.environment for each in shown(bench, both)] == ["staging", "production", "staging"]
    head, *rows = bench.out.getvalue().splitlines()
    assert head.split()[:3] == ["release", "rung", "kind"]
    assert "promote" in rows[1]
    assert " 1 min " in rows[1], "how long it took"
    assert [row.startswith("*") for row in rows] == [True, False, False]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "59 s"), (61, "1 min"), (3590, "1 h 0 min"), (7199, "2 h 0 min"), (5400, "1 h 30 min")],
)
def test_how_long_it_took_has_no_sixty_minutes(bench: DeployHarness, seconds: int, text: str) -> None:
    entry = bench.rung().ledger.history("staging")[0]
    later = replace(
        entry,
        release_id=entry.release_id.replace("Z-", "Z-~"),  # the newest
        started_at=stamp(bench.time.seconds),
        ended_at=stamp(bench.time.seconds + seconds),
    )
    bench.rung().ledger.write(later)
    shown(bench, rungs(bench, "staging"), limit=1)
    assert f" {text} " in bench.out.getvalue()


def test_what_failed_before_any_function_had_a_version_is_listed_without_a_function(tmp_path: Path) -> None:
    def refuse(**_: Any) -> None:
        raise StepladderError("terraform apply of staging/service failed: throttled")

    harness = ManyHarness(tmp_path, {"mailer": {}, "resizer": {}}, main=False)
    harness.deploy_many()
    first = shown(harness, rungs(harness, "staging"))
    harness.many["mailer"].configure = refuse  # type: ignore[method-assign]
    harness.infra_inputs = "two"
    with pytest.raises(StepladderError):
        harness.deploy_many()
    newest, *others = shown(harness, rungs(harness, "staging"))
    assert (newest.environment, newest.cause) == ("staging", "terraform apply of staging/service failed: throttled")
    assert others == first
    assert harness.out.getvalue().splitlines()[1].split()[1] == "-"
    assert [each.cause for each in shown(harness, rungs(harness, "staging"), release=newest.release_id)] == [
        newest.cause
    ]
    assert shown(harness, rungs(harness, "staging"), function="mailer") == [
        each for each in first if each.environment == "staging-mailer"
    ]


def test_json_has_each_key_of_the_ledger_and_what_is_worked_out(bench: DeployHarness) -> None:
    shown(bench, rungs(bench, "production", as_json=True))
    (record,) = json.loads(bench.out.getvalue())
    assert record["git_commit"] == COMMIT
    assert (record["seconds"], record["live"], record["commit_title"]) == (60.0, False, "")


def test_a_moment_and_a_limit_leave_older_ones_out(bench: DeployHarness) -> None:
    both = rungs(bench, "staging", "production")
    assert len(shown(bench, both, limit=2)) == 2
    assert [each.environment for each in shown(bench, both, since="60s")] == ["staging", "staging"]
    bench.time.seconds += 3600
    assert shown(bench, both, since="30m") == []
    for options in ({"since": "yesterday"}, {"since": "2999-01-01"}, {"limit": 0}):
        with pytest.raises(BadInputError):
            shown(bench, both, **options)


def test_a_function_that_there_is_not_is_bad_input(bench: DeployHarness) -> None:
    with pytest.raises(BadInputError, match="nobody"):
        shown(bench, rungs(bench, "staging", "production"), function="nobody")


def test_a_release_is_found_in_whichever_environment_it_is(bench: DeployHarness) -> None:
    promoted = bench.rung().ledger.history("production")[0].release_id
    (entry,) = shown(bench, rungs(bench, "staging", "production"), release=promoted)
    assert entry.environment == "production"
    assert "took" in bench.out.getvalue()
    with pytest.raises(BadInputError, match="no environment has a release 'x'"):
        shown(bench, rungs(bench, "staging", "production"), release="x")


def test_an_environment_that_cannot_be_read_hides_no_other(
    bench: DeployHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = rungs(bench, "staging", "production")
    read = history._read

    def denied(rung: Rung, *rest: Any) -> Any:
        if rung.environment == "production":
            raise DENIED
        return read(rung, *rest)

    monkeypatch.setattr(history, "_read", denied)
    with pytest.raises(StepladderError, match="1 of 2 environments can't be read: production") as caught:
        shown(bench, both)
    assert len(bench.out.getvalue().splitlines()) == 3
    assert "production: " in caught.value.problems[0]
    assert "`inv history --env production`" in caught.value.hint


def test_without_any_ledger_there_is_no_history(bench: DeployHarness) -> None:
    bench.table.tables.clear()
    with pytest.raises(RefusedError, match="no ledger yet"):
        shown(bench, rungs(bench, "staging", "production"))


def test_previews_that_the_ledger_knows_are_among_the_environments(bench: DeployHarness) -> None:
    preview = Preview("2026-11-26T10:00:00Z", "2026-11-29T10:00:00Z", "2026-11-26T10:00:00Z", "ci", "feature")
    for name in ("pr-12", "pr-3"):
        bench.rung().ledger.write_preview(name, preview)
    known = rungs(bench, "staging", "production")
    assert list(environments.previews(known)) == ["pr-3", "pr-12"]
    every = [rung.environment for rung in environments.with_previews(known)]
    assert every in (["staging", "production", "pr-3", "pr-12"], ["staging", "production"])
    if len(every) == 2:  # the settings have no previews
        assert "the ledger knows of pr-12" in bench.printed


def test_titles_are_those_of_commits_that_git_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git.titles(tmp_path, [COMMIT]) == {}, "no repository"
    (tmp_path / ".git").mkdir()
    asked: list[tuple[str, ...]] = []

    def ask(_root: Path, *arguments: str) -> str:
        asked.append(arguments)
        return f"{COMMIT} Fix the thing: all of it\n"

    monkeypatch.setattr(git, "ask", ask)
    assert git.titles(tmp_path, [f"{COMMIT}-dirty", "none", "", "-x"]) == {COMMIT: "Fix the thing: all of it"}
    assert asked[0][-1] == COMMIT


def test_commits_between_two_are_those_that_git_lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = "cd" * 20
    assert git.between(tmp_path, COMMIT, other) == [], "no repository"
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(git, "ask", lambda _root, *arguments: f"{other} {arguments[-2]}\n")
    assert git.between(tmp_path, f"{COMMIT}-dirty", other) == [(other, f"{COMMIT}..{other}")]
    assert git.between(tmp_path, "none", other) == []
    monkeypatch.setattr(git, "ask", lambda *_: None)
    assert git.between(tmp_path, COMMIT, other) == [], "git doesn't know one of them"


def test_a_repository_that_git_refuses_to_read_has_no_titles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> str:
        raise NotReadyError("git refuses to read it", kind="git-untrusted")

    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(git, "ask", refuse)
    assert git.titles(tmp_path, [COMMIT]) == {}
    assert git.between(tmp_path, COMMIT, "cd" * 20) == []
    assert (git.head(tmp_path), git.changed_files(tmp_path, COMMIT, "function")) == ("", ())
