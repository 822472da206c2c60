"""Every call of deploy and rollback, broken in every way: how it ends, in what time, and that the rerun converges."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from fakes.deploy_harness import TABLE, DeployHarness, digest
from fakes.errors import BROKEN, DENIED, THROTTLED

from stepladder.commands.rollback import Rollback
from stepladder.core.aws import explain
from stepladder.core.errors import ExitCode, StepladderError

URL = "https://aws.example"
LASTING = {
    "throttled": THROTTLED,
    "a server error": BROKEN,
    "denied": DENIED,
    "cut": EndpointConnectionError(endpoint_url=URL, error="refused"),
    "timing out": ReadTimeoutError(endpoint_url=URL),
}
OUTAGES = ("throttled", "cut")
ONCE = ("the answer is lost", "sent twice")
CHANGES = {
    "lambda": ("UpdateFunctionCode", "PublishVersion", "Invoke", "UpdateAlias"),
    "dynamodb": ("PutItem", "UpdateItem", "TransactWriteItems"),
}
READS = {
    "lambda": ("GetAlias", "GetFunction", "GetFunctionConfiguration"),
    "dynamodb": ("BatchGetItem", "GetItem"),
    "codedeploy": ("ListDeployments",),
}
CHANGES_OF_ROLLBACK = {
    "lambda": ("UpdateAlias",),
    "dynamodb": ("PutItem", "UpdateItem", "TransactWriteItems"),
    "codedeploy": ("StopDeployment",),
}
READS_OF_ROLLBACK = {
    "lambda": ("GetAlias", "GetFunction"),
    "dynamodb": ("BatchGetItem", "Query", "GetItem"),
    "codedeploy": ("ListDeployments", "GetDeployment"),
    "ecr": ("BatchGetImage",),
}
PATIENCE = 900  # seconds that a command may go on for when nothing works


class Faulty:
    """A client of which one action is broken."""

    def __init__(self, client: Any, action: str, kind: str) -> None:
        self._client, self._kind, self.hits = client, kind, 0
        self._name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", action).lower()

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        return call if name != self._name else lambda **request: self._broken(call, request)

    def _broken(self, call: Any, request: dict[str, Any]) -> Any:
        self.hits += 1
        if self._kind in LASTING:
            raise LASTING[self._kind]
        if self.hits == 1:
            call(**request)
            if self._kind == "the answer is lost":
                raise ConnectionClosedError(endpoint_url=URL)
        return call(**request)


def broken(harness: DeployHarness, service: str, action: str, kind: str, act: Any) -> tuple[int, int]:
    """Act with a broken client; return the exit code and how often the fault was met."""
    client = harness.aws.clients[service]
    faulty = Faulty(client, action, kind)
    harness.aws.clients[service] = faulty
    began = harness.time.seconds
    ended: Exception | None = None
    try:
        act()
    except Exception as error:  # noqa: BLE001 - looked at below
        ended = error
    finally:
        harness.aws.clients[service] = client
    assert harness.time.seconds - began < PATIENCE
    if ended is None:
        return 0, faulty.hits
    told = ended if isinstance(ended, StepladderError) else explain(ended)
    assert told, f"{ended!r} would be a traceback"
    return int(told.exit_code), faulty.hits


def dies(harness: DeployHarness) -> None:
    """What a process leaves when it has ended: a lock that nobody renews."""
    lock = harness.table.tables[TABLE].get(("env#staging", "lock"))
    if lock:
        lock["boot_id"] = {"S": "another boot"}
    harness.time.seconds += 200


def check(harness: DeployHarness, wanted: str) -> None:
    """Alias, ledger and lock agree, and nothing is written twice."""
    assert harness.serves == digest(wanted)
    assert harness.function.alias
    (current,) = harness.items("current")
    assert current["version"] == harness.function.alias["FunctionVersion"]
    assert current["digest"] == digest(wanted)
    last = harness.releases[-1]
    assert (last["result"], last["release_id"]) == ("succeeded", current["release_id"])
    assert not harness.items("lock")
    published = Counter(v["CodeSha256"] for v in harness.function.versions.values())
    assert set(published.values()) == {1}, "no image is published twice"
    live = [(r["kind"], r["version"]) for r in harness.releases if r["result"] == "succeeded"]
    assert len(live) == len(set(live)), "nothing is written twice"


def rows(table: dict[str, tuple[str, ...]], kinds: Any) -> list[Any]:
    return [
        pytest.param(service, action, kind, id=f"{action} {kind}")
        for service, actions in table.items()
        for action in actions
        for kind in kinds
    ]


@pytest.fixture
def tested(live: DeployHarness) -> DeployHarness:
    """A rung with versions 1 and 2 and a smoke case."""
    live.case("answers", payload={}, expect={"status": 200})
    live.source = "two"
    live.deploy()
    return live


@pytest.mark.parametrize(("service", "action", "kind"), [*rows(CHANGES, (*ONCE, *LASTING)), *rows(READS, OUTAGES)])
def test_a_deploy_whose_call_is_broken_ends_clearly_and_its_rerun_converges(
    tested: DeployHarness, service: str, action: str, kind: str
) -> None:
    tested.source = "three"
    code, hits = broken(tested, service, action, kind, tested.deploy)
    assert hits, "the call is made"
    assert code in {0, ExitCode.FAILED, ExitCode.REFUSED, ExitCode.NOT_READY, ExitCode.ROLLBACK_FAILED}
    if kind in LASTING and action != "GetItem":
        assert code, "it can't have gone well"
    if code == ExitCode.NOT_READY:
        assert tested.serves == digest("two"), "nothing has moved, as CI is told"
    if action != "UpdateAlias":
        assert code != ExitCode.ROLLBACK_FAILED or action == "GetAlias"
    dies(tested)
    assert tested.deploy().version == "3"
    check(tested, "three")
    assert tested.deploy().result == "unchanged"


def shifting(harness: DeployHarness) -> None:
    """A deployment is under way, which ends where it began."""
    harness.source = "three"
    harness.function.give(f"x@{digest('three')}")
    harness.codedeploy.active = "d-1"
    harness.codedeploy.on_stop = lambda: setattr(harness.codedeploy, "active", "")
    harness.codedeploy.ends = ["InProgress", "Stopped"]


@pytest.mark.parametrize(
    ("service", "action", "kind"), [*rows(CHANGES_OF_ROLLBACK, (*ONCE, *LASTING)), *rows(READS_OF_ROLLBACK, OUTAGES)]
)
def test_a_rollback_whose_call_is_broken_ends_clearly_and_its_rerun_converges(
    tested: DeployHarness, service: str, action: str, kind: str
) -> None:
    stops = action in ("StopDeployment", "GetDeployment")
    if stops:
        shifting(tested)

    def roll_back() -> Any:
        tested.time.seconds += 1
        return Rollback(tested.rung()).run()

    code, hits = broken(tested, service, action, kind, roll_back)
    assert hits, "the call is made"
    assert code in {0, ExitCode.FAILED, ExitCode.REFUSED, ExitCode.NOT_READY, ExitCode.ROLLBACK_FAILED}
    if kind in LASTING:
        assert code, "it can't have gone well"
    dies(tested)
    if code or stops:
        roll_back()
    if not stops or tested.serves == digest("one"):
        check(tested, "one")


def test_the_faults_are_of_every_call_that_they_make(tested: DeployHarness) -> None:
    tested.source = "three"
    tested.deploy()
    met = {call.partition(":")[2] for call in tested.aws.calls}
    assert met <= {a for table in (CHANGES, READS) for actions in table.values() for a in actions}
    for client in tested.aws.clients.values():
        client.calls.clear()
    Rollback(tested.rung()).run()
    met = {call.partition(":")[2] for call in tested.aws.calls}
    assert met <= {
        a for table in (CHANGES_OF_ROLLBACK, READS_OF_ROLLBACK) for actions in table.values() for a in actions
    }
