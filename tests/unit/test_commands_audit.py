"""`inv promote.audit`: a line for each promise, the exit code, the record."""

import io
import json
from types import SimpleNamespace

import pytest
from fakes.errors import error

from stepladder.commands import audit as command
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.promotion import evidence
from stepladder.promotion.audit import HELD, UNKNOWN, VIOLATED, Judged
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.invariants import INVARIANTS
from stepladder.promotion.observation import ObservedExecution

ARN = "arn:aws:states:eu-west-1:123456789012:execution:orders-promotion:production-c0ffee-1"
TARGETS = {"rungs": [{"name": "production", "targets": [{"environment": "production", "function": "f"}]}]}


@pytest.fixture
def audited(monkeypatch):
    """Run the command on a promotion whose promises have these states, `held` if none is given."""

    def run(**states):
        found = evidence.Evidence(ObservedExecution(ARN, "SUCCEEDED", "r1", "sha256:1", outcomes=("succeeded",)))
        judged = tuple(
            Judged(one, states.get(one.kind.replace("-", "_"), HELD), f"what was seen of {one.kind}")
            for one in INVARIANTS
        )
        monkeypatch.setattr(command, "read", lambda *_: found)
        monkeypatch.setattr(command, "judge", lambda _: judged)
        run.err = io.StringIO()
        execution = Execution(ARN, "SUCCEEDED", TARGETS)
        return command.audit(SimpleNamespace(console=Console(err=run.err, live=False), pick=lambda _: execution))

    return run


def test_each_promise_has_its_line_and_what_was_seen(audited):
    record = audited()
    lines = audited.err.getvalue().splitlines()
    assert len(lines) == 2 * len(INVARIANTS)
    assert lines[0] == f"✓ 1 {INVARIANTS[0].sentence}"
    assert lines[1] == "    held: what was seen of named"
    assert json.loads(json.dumps(record))["promises"][0] == {
        "number": 1,
        "kind": "named",
        "sentence": INVARIANTS[0].sentence,
        "state": "held",
        "seen": ["what was seen of named"],
    }
    assert set(record) == {"execution_arn", "name", "release_id", "end", "steps", "environments", "promises"}


@pytest.mark.parametrize(
    ("states", "code", "kind"),
    [
        ({"one_holder": VIOLATED, "five_ends": UNKNOWN}, 1, "promise-violated"),
        ({"five_ends": UNKNOWN}, 6, "promise-unknown"),
    ],
    ids=["one is violated", "one is unknown"],
)
def test_what_does_not_hold_has_an_exit_code_and_the_record(audited, states, code, kind):
    with pytest.raises(StepladderError) as raised:
        audited(**states)
    assert (int(raised.value.exit_code), raised.value.kind) == (code, kind)
    told = {one["kind"]: one["state"] for one in raised.value.record["promises"]}
    assert told["one-holder"] == ("violated" if code == 1 else "held")
    assert told["five-ends"] == "unknown"
    assert "unknown: what was seen of five-ends" in audited.err.getvalue()


def test_an_unknown_promotion_is_bad_input():
    def gone(**_):
        raise error("ExecutionDoesNotExist")

    machine = SimpleNamespace(
        sfn=SimpleNamespace(describe_execution=gone), execution_arn=lambda name: f"arn:{name}", console=None
    )
    machine.describe = lambda arn: StateMachine.describe(machine, arn)
    with pytest.raises(BadInputError, match="there is no promotion 'nothing'"):
        StateMachine.pick(machine, "nothing")


def test_an_environment_that_is_no_target_is_bad_input():
    with pytest.raises(BadInputError, match="has no target 'nowhere'") as raised:
        evidence.read(SimpleNamespace(sfn=None), Execution(ARN, "SUCCEEDED", TARGETS), "nowhere")
    assert raised.value.hint == "its targets: production"
