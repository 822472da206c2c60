"""The memory of a local cloud that has taken many deploys: it runs for weeks on a laptop."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from functions import HELLO, PYTHON, Functions
from running_cloud import RunningCloud

from localcloud import daemon
from localcloud.launchers import runtime_client

LIMIT = 250.0
"""Megabytes that a cloud may have after 500 deploys."""
FIRST = 5
"""Deploys until all modules are imported and all caches have something in them."""


def deploy(functions: Functions, name: str, repository: str, number: int) -> None:
    """Make the calls of a release: an image of its own, a version, a smoke case, the alias, the ledger's entry."""
    image = functions.image(repository, {"var/task/app.py": f"def handler(event, context):\n    return {number}\n"})
    functions.client.update_function_code(FunctionName=name, ImageUri=image)
    functions.wait(name)
    version = functions.publish(name)
    assert functions.invoke(name, Qualifier=version)[0] == number
    functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion=version)
    functions.cloud.client("dynamodb").put_item(
        TableName="ledger",
        Item={"pk": {"S": "env#staging"}, "sk": {"S": f"release#{number:06}"}, "digest": {"S": image}},
    )


def resident(pid: int) -> float:
    """Return the memory of a process, in megabytes."""
    (line,) = [x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS:")]
    return int(line.split()[1]) / 1000


def grown(tmp_path: Path, deploys: int) -> tuple[float, float]:
    """Return a cloud's memory after the first deploys and after all of them."""
    with daemon.running(environ={"STEPLADDER_LAUNCHER": "process"}) as info:
        functions = Functions(RunningCloud(info), runtime_client.client(Path(sys.executable), PYTHON, tmp_path))
        functions.cloud.client("dynamodb").create_table(
            TableName="ledger",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            BillingMode="PAY_PER_REQUEST",
        )
        repository = functions.repository()
        name = functions.create_image(functions.image(repository, {"var/task/app.py": HELLO}))
        functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion=functions.publish(name))
        early = 0.0
        for number in range(deploys):
            deploy(functions, name, repository, number)
            if number == FIRST:
                early = resident(info.pid)
        return early, resident(info.pid)


def test_a_deploy_leaves_little_behind(tmp_path: Path) -> None:
    early, late = grown(tmp_path, 20)
    assert late - early < 1.0 * (20 - FIRST), f"{early:.1f} MB after {FIRST} deploys, {late:.1f} MB after 20"


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_memory_stays_under_250_mb_after_500_deploys(tmp_path: Path) -> None:
    early, late = grown(tmp_path, 500)
    print(f"{early:.1f} MB after {FIRST} deploys, {late:.1f} MB after 500")  # noqa: T201 - the figure of the docs
    assert late < LIMIT
