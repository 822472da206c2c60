"""Record what `inv report` and `inv diagnose` read of real promotions on a local cloud, for the tests of both.

    python tests/support/record_promotions.py

writes tests/unit/data/reported.json.gz. To be run again when a command reads something else than before.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(ROOT / "tests" / "local"), str(ROOT / "tests" / "unit")]

import cassette  # noqa: E402
import cloud_images  # noqa: E402
import in_process  # noqa: E402
from cloud_project import CloudProject  # noqa: E402
from running_cloud import RunningCloud  # noqa: E402

from localcloud import daemon  # noqa: E402
from stepladder.commands.diagnose import diagnose  # noqa: E402
from stepladder.commands.report import report  # noqa: E402
from stepladder.core.clock import Clock  # noqa: E402
from stepladder.core.errors import StepladderError  # noqa: E402
from stepladder.promotion.executions import StateMachine  # noqa: E402
from stepladder.settings import locations  # noqa: E402

OUTPUT = ROOT / "tests" / "unit" / "data" / "reported.json.gz"
GOOD = "def handler(event, context):\n    return {'statusCode': 200}\n# %s\n"
HALF_BROKEN = """
PRICES = {"tea": 3}

def handler(event, context):
    if "order" in event:
        return {"statusCode": 200, "body": str(total(event["order"]))}
    return {"statusCode": 200}

def total(items):
    return sum(PRICES[item] for item in items)
# %s
"""
WRONG = """
def handler(event, context):
    if "-production:" in context.invoked_function_arn:
        raise RuntimeError("no <script>alert(1)</script> for password=hunter2hunter2")
    return {"statusCode": 200}
# %s
"""
BROKEN_ON_ONE = """
def handler(event, context):
    if context.invoked_function_arn.endswith('-production-biller:live'):
        raise ValueError('broken there')
    return {'statusCode': 200}
# %s
"""
SPEED = 60.0
CANARY = "Canary10Percent5Minutes"
COMPARE = {"compare": True, "minimum_requests": 20, "p99": 4}


@contextlib.contextmanager
def traffic(project: CloudProject, cloud: Any, payload: dict[str, Any]) -> Iterator[None]:
    """Call the alias of production while a block runs."""
    over, client = threading.Event(), project.client("lambda", "production")

    def call() -> None:
        while not over.wait(0.05):
            with contextlib.suppress(Exception):
                client.invoke(
                    FunctionName=project.function("production"), Qualifier="live", Payload=json.dumps(payload).encode()
                )

    callers = [threading.Thread(target=call, daemon=True) for _ in range(2)]
    for caller in callers:
        caller.start()
    try:
        yield
    finally:
        over.set()
        for caller in callers:
            caller.join()


def record(project: CloudProject) -> dict[str, Any]:
    """Record what both commands read, and what the project is."""
    machine, now = project.state_machine(), time.time()
    machine = StateMachine(replace(machine.rung, clock=Clock(now=lambda: now)))
    with cassette.recording() as calls, contextlib.suppress(StepladderError):
        newest = machine.pick()
        for wanted in ("", newest.name, newest.name[:-2], newest.input["release_id"]):
            for read in (diagnose, report):
                with contextlib.suppress(StepladderError):
                    read(machine, wanted)  # type: ignore[operator]
    table, items = f"{project.name}-releases", []
    for at in locations.representatives(project.settings):
        items += project.client("dynamodb", at).scan(TableName=table)["Items"]
    return {"calls": calls, "items": {table: items}, "settings": project.given, "now": now}


def main() -> None:
    """Promote, and record what is read of each promotion."""
    recorded: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, daemon.running(environ={"STEPLADDER_LAUNCHER": "process"}) as info:
        cloud, root = RunningCloud(info), Path(folder)
        runtime = cloud_images.runtime(root / "runtime")
        with in_process.pointed_at(cloud, brief=2.0):
            cloud.speed(SPEED)

            def make(name: str, **settings: Any) -> CloudProject:
                (root / name).mkdir()
                return CloudProject(cloud, root / name, runtime=runtime, **settings).build()

            canary = make("canary", deployment=CANARY)
            widths = make("widths", deployment={"widths": [25, 100], "minutes": 2}, canary=COMPARE)
            remote = make("remote", remote={"production": ("222222222222", "eu-west-1")}, deployment=CANARY)
            many = make("many", functions=("biller", "mailer"), distributed=True, deployment=CANARY)

            def run(name: str, project: CloudProject, source: str, payload: dict[str, Any] | None) -> None:
                project.ship(source % name)
                with traffic(project, cloud, payload) if payload is not None else contextlib.nullcontext():
                    ended = project.promote()
                sys.stderr.write(f"{name}: {ended.code} {ended.message}\n")
                recorded[name] = record(project) | {"code": ended.code}

            run("promoted", canary, GOOD, {"order": ["tea"]})
            run("alarm", canary, HALF_BROKEN, {"order": ["coffee"]})
            run("smoke", canary, WRONG, None)
            run("several", many, BROKEN_ON_ONE, None)
            run("remote", remote, WRONG, None)
            run("widths", widths, HALF_BROKEN, {"order": ["coffee"]})
            canary.ship(GOOD % "cut off")
            promotion = canary.in_background()
            while not canary.alias()[1]:
                time.sleep(0.02)
            canary.client("stepfunctions").stop_execution(executionArn=canary.running()[0], error="Stopped", cause="no")
            promotion.result()
            recorded["cut off"] = record(canary)
    cassette.save(OUTPUT, recorded)
    sys.stderr.write(f"{OUTPUT.relative_to(ROOT)}: {OUTPUT.stat().st_size} bytes\n")


if __name__ == "__main__":
    main()
