"""Each project of `examples/`: how it is made, and how its callers use it, through its real trigger."""

from __future__ import annotations

import json
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import printing
import pytest
from shell import ACCOUNT, HOST, REGION, Shell

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
ANSWERS = {
    "notes-api": {"trigger": "url"},
    "order-worker": {"trigger": "sqs"},
    "nightly-report": {"trigger": "schedule"},
    "stock-projection": {"trigger": "none"},
}
SECONDS = 60
ORDER = ("first", "second", "third")
"""The words by which a project is used, one after another."""


def make(folder: Path, name: str, answers: dict[str, Any] | None = None) -> Shell:
    """Make a project as the examples' README says, for this machine's Python; `answers` are further ones."""
    shell = Shell(
        folder,
        {"INVOKE_STEPLADDER_ARCHITECTURE": HOST["architecture"], "INVOKE_STEPLADDER_PYTHON": HOST["python_version"]},
    )
    shell.new({"project_name": name, "aws_account": ACCOUNT, "aws_region": REGION} | ANSWERS[name] | (answers or {}))
    shutil.copytree(EXAMPLES / name, shell.folder, dirs_exist_ok=True)
    return shell


def eventually(read: Callable[[], Any], expected: Any) -> None:
    """Wait until `read` returns what is expected."""
    deadline = time.monotonic() + SECONDS
    while (got := read()) != expected:
        assert time.monotonic() < deadline, f"still {got!r}, not {expected!r}"
        time.sleep(0.1)


def notes_api(shell: Shell, env: str, word: str) -> None:
    """Write a note over HTTP and read it back."""
    url = shell.outputs(env)["function_url"].rstrip("/")

    def ask(path: str, body: dict[str, str] | None = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{url}{path}", data, {"content-type": "application/json"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return answer.status, json.loads(answer.read())

    status, note = ask("/notes", {"text": f"{word} in {env}"})
    assert (status, note["text"]) == (201, f"{word} in {env}")
    assert ask(f"/notes/{note['id']}") == (200, note)
    assert ask("/notes")[1][0] == note
    with pytest.raises(urllib.error.HTTPError, match="422"):
        ask("/notes", {"text": ""})


def order_worker(shell: Shell, env: str, word: str) -> None:
    """Send orders, twice the same and one that can't be stored."""
    queue = shell.outputs(env)["queue_url"]
    sqs, dynamodb = shell.client("sqs"), shell.client("dynamodb")
    orders = [("good", "3.50"), ("good", "3.50"), ("bad", "-1")]
    for name, total in orders:
        body = json.dumps({"id": f"{word}-{name}", "customer": "Ada", "total": total})
        sqs.send_message(QueueUrl=queue, MessageBody=body)

    def stored() -> list[str]:
        items = dynamodb.scan(TableName=f"order-worker-{env}-orders")["Items"]
        return sorted(item["id"]["S"] for item in items if item["id"]["S"].startswith(word))

    eventually(stored, [f"{word}-good"])
    if word == ORDER[-1]:  # those before have had their time meanwhile
        eventually(lambda: printing.left(sqs, f"{queue}-dead-letters"), len(ORDER))


def nightly_report(shell: Shell, env: str, word: str) -> None:
    """Let the night come after an upload, and read the report.

    The cloud's clock may run fast, so the night may be another than this machine's, and may come meanwhile.
    """
    account, _ = shell.locations.get(env, (ACCOUNT, REGION))
    s3, bucket = shell.client("s3", env), f"nightly-report-{env}-{account}-uploads"
    today = datetime.fromtimestamp(shell.page("clock")["now"], UTC).date()
    expected = []
    for day in (today - timedelta(days=1), today):
        s3.put_object(Bucket=bucket, Key=f"uploads/{day}/{word}", Body=b"1234")
        uploads = s3.list_objects_v2(Bucket=bucket, Prefix=f"uploads/{day}/")["KeyCount"]
        expected.append({"day": str(day), "uploads": uploads, "bytes": 4 * uploads})
    shell.page("lambda/schedule", "POST", json.dumps({"name": f"nightly-report-{env}"}).encode())

    def written() -> bool:
        return any(report(each["day"]) == each for each in expected)

    def report(day: str) -> Any:
        try:
            return json.loads(s3.get_object(Bucket=bucket, Key=f"reports/{day}.json")["Body"].read())
        except s3.exceptions.NoSuchKey:
            return {}

    eventually(written, expected=True)


def stock_projection(shell: Shell, env: str, word: str) -> None:
    """Write movements to the table, and read the stock that the stream makes of them."""
    dynamodb, name = shell.client("dynamodb"), f"stock-projection-{env}"
    for number, quantity in enumerate((5, -2, 4)):
        item = {"id": f"{word}-{number}", "article": word}
        plain = {key: {"S": value} for key, value in item.items()}
        dynamodb.put_item(TableName=f"{name}-movements", Item=plain | {"quantity": {"N": str(quantity)}})

    def stock() -> str:
        key = {"id": {"S": f"article#{word}"}}
        return str(dynamodb.get_item(TableName=f"{name}-stock", Key=key).get("Item", {}).get("stock", {}).get("N"))

    eventually(stock, "7")


def check(shell: Shell) -> None:
    """Lint the project and run its tests."""
    shell.run(sys.executable, "-m", "ruff", "check", "function", "tests")
    shell.inv("test")


def assert_nothing_was_denied(shell: Shell) -> None:
    iam = shell.page("iam")
    assert (iam["mode"], iam["denials"]) == ("enforce", []), json.dumps(iam["denials"], indent=2)


USES = {
    "notes-api": notes_api,
    "order-worker": order_worker,
    "nightly-report": nightly_report,
    "stock-projection": stock_projection,
}
