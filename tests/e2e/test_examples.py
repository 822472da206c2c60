"""Each project of `examples/` as its README makes it: deployed, promoted, rolled back, and used after each."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import postgres
import pytest
from example_uses import USES
from shell import ACCOUNT, HOST, REGION, Shell

pytestmark = [pytest.mark.e2e, pytest.mark.terraform, pytest.mark.timeout(600)]

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ANSWERS = {
    "notes-api": {"trigger": "url"},
    "order-worker": {"trigger": "sqs"},
    "nightly-report": {"trigger": "schedule"},
    "stock-projection": {"trigger": "none"},
}
RUNGS = ("staging", "production")


def test_every_example_is_used():
    assert sorted(path.name for path in EXAMPLES.iterdir() if path.is_dir()) == sorted(USES)


@contextmanager
def with_databases(shell: Shell) -> Iterator[None]:
    """Run PostgreSQL, and give each environment a database of its own by its secret."""
    with postgres.database(shell.folder.parent / "postgres", *RUNGS) as urls:
        for env, url in zip(RUNGS, urls, strict=True):
            shell.inv(f"secrets.set DATABASE_URL --env {env}", given=url)
        yield


PREPARED = {"notes-api": with_databases}


@pytest.mark.parametrize("name", USES)
def test_an_example_is_deployed_promoted_and_rolled_back(name, tmp_path):
    shell = Shell(
        tmp_path,
        {
            "INVOKE_STEPLADDER_ARCHITECTURE": HOST["architecture"],
            "INVOKE_STEPLADDER_PYTHON": HOST["python_version"],
        },
    )
    shell.new({"project_name": name, "aws_account": ACCOUNT, "aws_region": REGION} | ANSWERS[name])
    shutil.copytree(EXAMPLES / name, shell.folder, dirs_exist_ok=True)
    with shell.local_cloud(), PREPARED.get(name, nullcontext)(shell):
        shell.run(sys.executable, "-m", "ruff", "check", "function", "tests")
        shell.inv("test")
        first = shell.record("deploy --env staging")["digest"]
        assert shell.record("promote")["outcome"] == "promoted"
        use(shell, name, "first", dict.fromkeys(RUNGS, first))

        shell.edit(lambda text: text + "\n# a change\n")
        second = shell.record("deploy --env staging")["digest"]
        assert shell.record("promote")["outcome"] == "promoted"
        use(shell, name, "second", dict.fromkeys(RUNGS, second))

        shell.inv("rollback --env production --keep-image")
        use(shell, name, "third", {"staging": second, "production": first})
        iam = shell.page("iam")
        assert (iam["mode"], iam["denials"]) == ("enforce", [])


def use(shell: Shell, name: str, word: str, serving: dict[str, str]) -> None:
    """Assert what each environment serves, and use both."""
    assert {env: row["digest"] for env, row in shell.statuses().items()} == serving
    for env in RUNGS:
        USES[name](shell, env, word)
