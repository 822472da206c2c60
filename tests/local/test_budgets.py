"""What the main commands cost: calls, programs, imports, bytes, memory. The table is tests/budgets.yaml."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import budgets
import pytest
from budgets import Cost, Counted
from live_project import LiveProject

pytestmark = pytest.mark.cloud

ROOT = Path(__file__).resolve().parents[2]
TURNS = 4


@pytest.fixture
def cost_of(shared_live_project: LiveProject, tmp_path: Path) -> Callable[..., Counted]:
    """Return a runner of tasks in the live project, which must succeed."""

    project = shared_live_project

    def run(*arguments: str) -> Counted:
        project.cloud.reset_calls()
        done = budgets.run(project.root, tmp_path / "counts.json", *arguments, env=project.env)
        assert done.code == 0, done.err
        done.cost.calls = Counter(project.cloud.calls())
        return done

    return run


@pytest.mark.parametrize(
    ("name", "said", "arguments"),
    [
        ("the list of tasks", "deploy", ("--list",)),
        ("completion", "deploy", ("--complete", "--", "inv", "dep")),
        ("deploy, nothing changed", "nothing to do", ("deploy", "--env", "staging")),
        ("status", "staging", ("status",)),
        ("diff", "nothing would change", ("diff", "--env", "staging")),
    ],
)
def test_a_command_that_reads_costs_what_the_table_says(
    cost_of: Callable[..., Counted], name: str, said: str, arguments: tuple[str, ...]
) -> None:
    done = cost_of(*arguments)
    assert said in done.out + done.err
    budgets.check(name, done.cost)


def test_nothing_to_do_takes_little_more_of_the_processor_than_its_bare_calls(
    shared_live_project: LiveProject,
) -> None:
    """The least of a few runs by turns: another process in the way makes both dearer, and neither cheaper."""
    project = shared_live_project
    bare = (sys.executable, str(ROOT / "benchmarks" / "peer_reads.py"), project.name)
    ours = (sys.executable, "-m", "invoke", "deploy", "--env", "staging")
    env = {name: value for name, value in project.env.items() if name != "PYTHONDONTWRITEBYTECODE"}
    used: dict[tuple[str, ...], list[float]] = {ours: [], bare: []}
    for _ in range(TURNS):
        for argv, each in used.items():
            before = _processor()
            subprocess.run(argv, cwd=project.root, env=env, check=True, capture_output=True, timeout=120)
            each.append(_processor() - before)
    ratio = round(min(used[ours]) / min(used[bare]), 2)
    budgets.check("deploy, nothing changed, beside the bare calls", Cost(figures={"ratio": ratio}))


def test_a_new_project_costs_what_the_table_says(tmp_path: Path, cost_of: Callable[..., Counted]) -> None:
    python = f"3.{sys.version_info.minor}"
    done = cost_of("new", "--no-input", "--python-version", python, "--output", str(tmp_path / "new"))
    budgets.check("new", done.cost)


def test_a_change_of_the_handler_and_a_rollback_cost_what_the_table_says(
    cost_of: Callable[..., Counted], shared_live_project: LiveProject
) -> None:
    project, version = shared_live_project, int(shared_live_project.version)
    project.say("a change")
    done = cost_of("deploy", "--env", "staging")
    assert (project.version, project.answer()) == (str(version + 1), "a change")
    assert f"staging: version {version} -> {version + 1}" in done.err
    budgets.check("deploy, changed handler, layers", done.cost)
    budgets.check("rollback", cost_of("rollback", "--env", "staging").cost)
    assert project.version == str(version)


def _processor() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
