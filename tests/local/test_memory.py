"""The memory of a local cloud that has taken many deploys: it runs for weeks on a laptop."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

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
    entries = [entry(f"release#{number:06}", image), entry("current", image)]
    functions.cloud.client("dynamodb").transact_write_items(
        TransactItems=[{"Put": {"TableName": "ledger", "Item": item}} for item in entries]
    )


def entry(key: str, image: str) -> dict[str, dict[str, str]]:
    more = {f"field{number}": {"S": "x" * 20} for number in range(15)}  # as many as a release has
    return {"pk": {"S": "env#staging"}, "sk": {"S": key}, "digest": {"S": image}, **more}


def keep_a_history(dynamodb: Any) -> None:
    """Fill the ledger as a hundred functions do: a transaction must not leave a copy of it behind."""
    for start in range(0, 300, 25):
        rows = [entry(f"release#x{number:06}", "sha256:" + "0" * 64) for number in range(start, start + 25)]
        dynamodb.batch_write_item(RequestItems={"ledger": [{"PutRequest": {"Item": row}} for row in rows]})


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
        keep_a_history(functions.cloud.client("dynamodb"))
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
