"""Executions of Step Functions: names, redrive, deadlines, history, versions and aliases, events, a restart."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import roles
from asking import code_of, until
from machines import Machines, sdk

from localcloud import daemon

pytestmark = [pytest.mark.cloud]


@pytest.mark.contract
def test_the_name_is_an_idempotency_key(machines: Machines) -> None:
    machine = machines.make({"W": {"Type": "Wait", "Seconds": 3600, "End": True}})
    first = machines.start(machine, {"a": 1}, "key")
    assert machines.start(machine, {"a": 1}, "key") == first
    assert code_of(lambda: machines.start(machine, {"a": 2}, "key")) == "ExecutionAlreadyExists"
    machines.client.stop_execution(executionArn=first, error="Enough", cause="by hand")
    ended = machines.end(first)
    assert (ended["status"], ended["error"], ended["cause"]) == ("ABORTED", "Enough", "by hand")
    assert code_of(lambda: machines.start(machine, {"a": 1}, "key")) == "ExecutionAlreadyExists"


def test_a_redrive_goes_on_where_it_failed_and_repeats_nothing(machines: Machines) -> None:
    item = {
        "StartAt": "First",
        "States": {
            "First": sdk("sqs:listQueues", {}, ResultPath=None, Next="Second"),
            "Second": sdk("sns:listTopics", {}, ResultPath=None),
        },
    }
    states = {"M": {"Type": "Map", "ItemsPath": "$.items", "MaxConcurrency": 1, "ItemProcessor": item, "End": True}}
    machines.cloud.faults({"service": "sns", "action": "ListTopics", "kind": "error", "skip": 1, "count": 1})
    execution = machines.start(machines.make(states), {"items": [1, 2, 3]})
    assert machines.end(execution)["status"] == "FAILED"
    machines.cloud.reset_calls()
    machines.client.redrive_execution(executionArn=execution)
    ended = machines.end(execution)
    assert (ended["status"], ended["redriveCount"], json.loads(ended["output"])) == ("SUCCEEDED", 1, [1, 2, 3])
    calls = [c for c in machines.cloud.calls() if c.startswith(("sqs", "sns"))]
    assert calls == ["sns:ListTopics", "sqs:ListQueues", "sns:ListTopics"]  # 2's second state, then 3
    assert code_of(lambda: machines.client.redrive_execution(executionArn=execution)) == "ExecutionNotRedrivable"
    assert "ExecutionRedriven" in [e["type"] for e in machines.events(execution)]


def test_the_whole_machine_has_a_deadline(machines: Machines) -> None:
    ended = machines.run({"W": {"Type": "Wait", "Seconds": 86_400, "End": True}}, TimeoutSeconds=60)
    assert ended["status"] == "TIMED_OUT"


def test_the_history_tells_every_state_in_order(machines: Machines) -> None:
    states = {"A": {"Type": "Pass", "Result": {"n": 1}, "Next": "B"}, "B": {"Type": "Succeed"}}
    execution = machines.start(machines.make(states), {"in": 1})
    machines.end(execution)
    events = machines.events(execution)
    assert [e["type"] for e in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    assert [e["id"] for e in events] == [1, 2, 3, 4, 5, 6]
    assert json.loads(events[2]["stateExitedEventDetails"]["output"]) == {"n": 1}
    last = machines.client.get_execution_history(executionArn=execution, reverseOrder=True, maxResults=1)["events"]
    assert last[0]["type"] == "ExecutionSucceeded"


@pytest.mark.contract
def test_an_alias_keeps_executions_on_the_version_it_names(machines: Machines) -> None:
    client = machines.client
    machine = machines.make({"A": {"Type": "Pass", "Result": 1, "End": True}})
    one = client.publish_state_machine_version(stateMachineArn=machine)["stateMachineVersionArn"]
    alias = client.create_state_machine_alias(
        name="live", routingConfiguration=[{"stateMachineVersionArn": one, "weight": 100}]
    )["stateMachineAliasArn"]
    second = json.dumps({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": 2, "End": True}}})
    two = client.update_state_machine(stateMachineArn=machine, definition=second, publish=True)[
        "stateMachineVersionArn"
    ]
    assert json.loads(machines.end(machines.start(alias))["output"]) == 1
    assert json.loads(machines.end(machines.start(machine))["output"]) == 2
    listed = client.list_state_machine_versions(stateMachineArn=machine)["stateMachineVersions"]
    assert [v["stateMachineVersionArn"] for v in listed] == [two, one]
    assert code_of(lambda: client.delete_state_machine_version(stateMachineVersionArn=one)) == "ConflictException"
    client.update_state_machine_alias(
        stateMachineAliasArn=alias, routingConfiguration=[{"stateMachineVersionArn": two, "weight": 100}]
    )
    ended = machines.end(machines.start(alias))
    assert (json.loads(ended["output"]), ended["stateMachineAliasArn"]) == (2, alias)
    assert len(client.list_executions(stateMachineArn=alias)["executions"]) == 2


def test_a_wrong_definition_is_refused_with_the_reason(machines: Machines) -> None:
    wrong = json.dumps({"StartAt": "Nowhere", "States": {"A": {"Type": "Pass", "End": True}}})
    answer = machines.client.validate_state_machine_definition(definition=wrong)
    assert answer["result"] == "FAIL"
    assert answer["diagnostics"][0]["code"] == "MISSING_TRANSITION_TARGET"
    made = {"name": "wrong", "roleArn": machines.cloud.role, "definition": wrong}
    assert code_of(lambda: machines.client.create_state_machine(**made)) == "InvalidDefinition"


def test_the_end_of_an_execution_is_an_event_that_rules_hear(machines: Machines) -> None:
    events, sqs = machines.cloud.client("events"), machines.cloud.client("sqs")
    queue = sqs.create_queue(QueueName="states-ended")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    roles.let_services_send(sqs, queue, arn)
    machine = machines.make({"W": {"Type": "Wait", "Seconds": 86_400, "End": True}})
    pattern = {
        "source": ["aws.states"],
        "detail-type": ["Step Functions Execution Status Change"],
        "detail": {"status": ["ABORTED", "FAILED"], "stateMachineArn": [machine]},
    }
    events.put_rule(Name="states-ended", EventPattern=json.dumps(pattern))
    events.put_targets(Rule="states-ended", Targets=[{"Id": "q", "Arn": arn}])
    execution = machines.start(machine)
    machines.client.stop_execution(executionArn=execution)
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["detail"]["executionArn"] == execution


def test_an_execution_that_a_restart_interrupts_can_be_redriven(tmp_path: Path, cloud_of: Any) -> None:
    states = {
        "Before": sdk("sqs:listQueues", {}, ResultPath=None, Next="Wait"),
        "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", "End": True},
    }
    with daemon.running(data=tmp_path) as info:
        machines = Machines(cloud_of(info))
        execution = machines.start(machines.make(states), {"seconds": 600})
        until(lambda: [e["type"] for e in machines.events(execution)], lambda types: types[-1] == "WaitStateEntered")
    with daemon.running(data=tmp_path, speed=6000) as info:
        machines = Machines(cloud_of(info))
        ended = machines.end(execution)
        assert (ended["status"], ended["cause"]) == ("FAILED", "The local cloud was restarted.")
        machines.client.redrive_execution(executionArn=execution)
        assert machines.end(execution)["status"] == "SUCCEEDED"
        assert "sqs:ListQueues" not in machines.cloud.calls()


@pytest.mark.timing("executions at once are told from executions in turn by 10 s")
def test_ten_executions_at_once_take_little_longer_than_one(machines: Machines) -> None:
    states = {f"S{n}": sdk("sqs:listQueues", {}, ResultPath=None, Next=f"S{n + 1}") for n in range(10)}
    machine = machines.make({**states, "S10": {"Type": "Succeed"}})
    machines.end(machines.start(machine))
    began = time.monotonic()
    for execution in [machines.start(machine) for _ in range(10)]:
        assert machines.end(execution)["status"] == "SUCCEEDED"
    assert time.monotonic() - began < 10  # a third of a second on an idle machine
