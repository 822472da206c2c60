"""Each project of `examples/` as its README makes it: deployed, promoted, rolled back, and used after each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import budgets
import example_projects
import postgres
import pytest
import schemas
from shell import Shell

pytestmark = [pytest.mark.e2e, pytest.mark.terraform]

RUNGS = ("staging", "production")
ELSEWHERE = {"nightly-report", "stock-projection"}
"""tests/e2e/test_promote.py does the same in two accounts and regions, tests/e2e/test_front_gitlab.py by pipelines."""


def test_every_example_is_used():
    folders = sorted(path.name for path in example_projects.EXAMPLES.iterdir() if path.is_dir())
    assert folders == sorted(example_projects.USES)


@contextmanager
def with_databases(shell: Shell) -> Iterator[None]:
    """Run PostgreSQL, and give each environment a database of its own by its secret."""
    with postgres.database(shell.folder.parent / "postgres", *RUNGS) as urls:
        for env, url in zip(RUNGS, urls, strict=True):
            shell.inv(f"secrets.set DATABASE_URL --env {env}", given=url)
        yield


PREPARED = {"notes-api": with_databases}


@pytest.mark.parametrize("name", sorted(set(example_projects.USES) - ELSEWHERE))
def test_an_example_is_deployed_promoted_and_rolled_back(name, tmp_path):
    shell = example_projects.make(tmp_path, name)
    with shell.local_cloud(), PREPARED.get(name, nullcontext)(shell):
        example_projects.check(shell)
        first = deploy_first(shell, tmp_path / "counts.json")
        assert shell.record("promote")["outcome"] == "promoted"
        use(shell, name, "first", dict.fromkeys(RUNGS, first))

        shell.edit(lambda text: text + "\n# a change\n")
        second = shell.record("deploy --env staging")["digest"]
        assert shell.record("promote")["outcome"] == "promoted"
        use(shell, name, "second", dict.fromkeys(RUNGS, second))

        shell.inv("rollback --env production --keep-image")
        use(shell, name, "third", {"staging": second, "production": first})
        example_projects.assert_nothing_was_denied(shell)


def deploy_first(shell: Shell, record: Path) -> str:
    """Deploy to an account that has nothing, for what the table of budgets says; return the digest."""
    done = budgets.run(shell.folder, record, "deploy", "--env", "staging", "--json", env=shell.env, timeout=600)
    assert done.code == 0, done.err
    schemas.check_output("deploy --env staging --json", done.out)
    done.cost.programs = [each for each in done.cost.programs if each.startswith("terraform ")]
    budgets.check("first deploy", done.cost)
    return str(json.loads(done.out)["digest"])


def use(shell: Shell, name: str, word: str, serving: dict[str, str]) -> None:
    """Assert what each environment serves, and use both."""
    assert {env: row["digest"] for env, row in shell.statuses().items()} == serving
    for env in RUNGS:
        example_projects.USES[name](shell, env, word)
