"""Each project of `examples/` as its README makes it: deployed, promoted, rolled back, and used after each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import example_projects
import postgres
import pytest
from shell import Shell

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]

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
        first = shell.record("deploy --env staging")["digest"]
        assert shell.record("promote")["outcome"] == "promoted"
        use(shell, name, "first", dict.fromkeys(RUNGS, first))

        shell.edit(lambda text: text + "\n# a change\n")
        second = shell.record("deploy --env staging")["digest"]
        assert shell.record("promote")["outcome"] == "promoted"
        use(shell, name, "second", dict.fromkeys(RUNGS, second))

        shell.inv("rollback --env production --keep-image")
        use(shell, name, "third", {"staging": second, "production": first})
        example_projects.assert_nothing_was_denied(shell)


def use(shell: Shell, name: str, word: str, serving: dict[str, str]) -> None:
    """Assert what each environment serves, and use both."""
    assert {env: row["digest"] for env, row in shell.statuses().items()} == serving
    for env in RUNGS:
        example_projects.USES[name](shell, env, word)
