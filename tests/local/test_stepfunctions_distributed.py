"""Distributed Maps: child executions, Map Runs, thresholds, redrive, permissions, a restart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import roles
from asking import code_of, until
from machines import Machines, sdk

from localcloud import daemon

pytestmark = [pytest.mark.cloud]
END: dict[str, Any] = {"End": True}


def distributed(states: dict[str, Any], kind: str = "STANDARD", **more: Any) -> dict[str, Any]:
    """Return a machine's states: one Map that runs these states for each of `$.items`."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": kind},
        "StartAt": next(iter(states)),
        "States": states,
    }
    return {"M": {"Type": "Map", "ItemsPath": "$.items", "Label": "each", "ItemProcessor": processor, **END, **more}}


def failing_where(field: str) -> dict[str, Any]:
    """Return states that fail where the input says so."""
    rule = {"Variable": f"$.{field}", "BooleanEquals": True, "Next": "Broken"}
    return {
        "Judge": {"Type": "Choice", "Choices": [rule], "Default": "Fine"},
        "Broken": {"Type": "Fail", "Error": "Boom", "Cause": "c"},
        "Fine": {"Type": "Succeed"},
    }


def run_of(machines: Machines, execution: str) -> dict[str, Any]:
    """Return the one map run of an execution, as soon as it has begun."""
    (listed,) = until(lambda: machines.client.list_map_runs(executionArn=execution)["mapRuns"], bool)
    return dict(machines.client.describe_map_run(mapRunArn=listed["mapRunArn"]))


def children(machines: Machines, run: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = machines.client.list_executions(mapRunArn=run["mapRunArn"], **more)["executions"]
    return listed


def test_each_item_is_an_execution_of_its_own(machines: Machines) -> None:
    """Events and ARNs as recorded: test_base_scenarios.json::test_map_state_config_distributed_item_selector, 2024."""
    inside = {"P": {"Type": "Pass", "Parameters": {"me.$": "$$.Execution.Id", "of.$": "$$.StateMachine.Id"}, **END}}
    selector = {"parent.$": "$$.Execution.Id", "n.$": "$$.Map.Item.Value", "i.$": "$$.Map.Item.Index"}
    machine = machines.make(distributed(inside, ItemSelector=selector))
    execution = machines.start(machine, {"items": ["a", "b"]})
    ended = machines.end(execution)
    assert ended["status"] == "SUCCEEDED", ended
    assert [e["type"] for e in machines.events(execution)] == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]
    run = run_of(machines, execution)
    name = machine.rpartition(":")[2]
    assert f":mapRun:{name}/each:" in run["mapRunArn"]
    assert (run["status"], run["executionCounts"]["succeeded"], run["itemCounts"]["total"]) == ("SUCCEEDED", 2, 2)
    shown = [machines.end(child["executionArn"]) for child in reversed(children(machines, run))]
    assert [json.loads(s["input"]) for s in shown] == [
        {"parent": execution, "n": "a", "i": 0},
        {"parent": execution, "n": "b", "i": 1},
    ]
    assert json.loads(ended["output"]) == [{"me": s["executionArn"], "of": f"{machine}/each"} for s in shown]
    for child in shown:
        assert f":execution:{name}/each:" in child["executionArn"]
        assert (child["mapRunArn"], child["stateMachineArn"]) == (run["mapRunArn"], f"{machine}/each")
        assert machines.events(child["executionArn"])[-1]["type"] == "ExecutionSucceeded"
        of = machines.client.describe_state_machine_for_execution(executionArn=child["executionArn"])
        assert (of["mapRunArn"], of["label"], of["stateMachineArn"]) == (run["mapRunArn"], "each", machine)
    assert [e["executionArn"] for e in machines.client.list_executions(stateMachineArn=machine)["executions"]] == [
        execution
    ]


def test_as_many_children_run_at_once_as_the_state_allows_and_a_run_can_be_changed(machines: Machines) -> None:
    waiting = {"W": {"Type": "Wait", "Seconds": 900_000, **END}}
    machine = machines.make(distributed(waiting, MaxConcurrency=2))
    execution = machines.start(machine, {"items": [1, 2, 3, 4, 5]})
    running = lambda: run_of(machines, execution)["executionCounts"]  # noqa: E731 - a question
    assert until(running, lambda c: c["running"] == 2)["pending"] == 3
    arn = run_of(machines, execution)["mapRunArn"]
    machines.client.update_map_run(mapRunArn=arn, maxConcurrency=4)
    assert until(running, lambda c: c["running"] == 4)["pending"] == 1
    machines.client.stop_execution(executionArn=execution)
    run = run_of(machines, execution)
    assert (run["status"], run["executionCounts"]["aborted"], run["executionCounts"]["pending"]) == ("ABORTED", 4, 1)
    assert {c["status"] for c in children(machines, run)} == {"ABORTED"}
    assert [e["type"] for e in machines.events(execution)][-2:] == ["MapRunAborted", "ExecutionAborted"]
    changed = lambda: machines.client.update_map_run(mapRunArn=arn, maxConcurrency=1)  # noqa: E731 - a call
    assert code_of(changed) == "ValidationException"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, "FAILED"),
        ({"ToleratedFailureCount": 1}, "FAILED"),
        ({"ToleratedFailureCount": 2}, "SUCCEEDED"),
        ({"ToleratedFailurePercentage": 49}, "FAILED"),
        ({"ToleratedFailurePercentagePath": "$.half"}, "SUCCEEDED"),
    ],
    ids=str,
)
def test_a_run_fails_when_more_items_fail_than_it_tolerates(
    machines: Machines, more: dict[str, Any], status: str
) -> None:
    items = [{"bad": False}, {"bad": True}, {"bad": True}, {"bad": False}]
    machine = machines.make(distributed(failing_where("bad"), **more))
    execution = machines.start(machine, {"items": items, "half": 50})
    ended = machines.end(execution)
    assert ended["status"] == status
    if status == "FAILED":
        assert ended["error"] == "States.ExceedToleratedFailureThreshold"
        assert "MapRunFailed" in [e["type"] for e in machines.events(execution)]
    else:
        failure = {"Status": "FAILED", "Error": "Boom", "Cause": "c"}
        assert json.loads(ended["output"]) == [items[0], failure, failure, items[3]]
    assert run_of(machines, execution)["status"] == status


def test_a_redrive_of_the_parent_repeats_only_the_children_that_failed(machines: Machines) -> None:
    inside = {
        "First": sdk("sqs:listQueues", {}, ResultPath=None, Next="Second"),
        "Second": sdk("sns:listTopics", {}, ResultPath=None),
    }
    machines.cloud.faults({"service": "sns", "action": "ListTopics", "kind": "error", "skip": 1, "count": 1})
    machine = machines.make(distributed(inside, MaxConcurrency=1))
    execution = machines.start(machine, {"items": [1, 2, 3]})
    assert machines.end(execution)["status"] == "FAILED"
    before = run_of(machines, execution)
    assert (before["status"], before["executionCounts"]["failed"]) == ("FAILED", 1)
    machines.cloud.reset_calls()
    machines.client.redrive_execution(executionArn=execution)
    ended = machines.end(execution)
    assert (ended["status"], json.loads(ended["output"])) == ("SUCCEEDED", [1, 2, 3])
    calls = [c for c in machines.cloud.calls() if c.startswith(("sqs", "sns"))]
    assert calls == ["sns:ListTopics", "sqs:ListQueues", "sns:ListTopics"]  # 2's second state, then 3
    after = run_of(machines, execution)
    assert (after["mapRunArn"], after["redriveCount"], after["status"]) == (before["mapRunArn"], 1, "SUCCEEDED")
    assert "MapRunRedriven" in [e["type"] for e in machines.events(execution)]
    assert [c["redriveCount"] for c in children(machines, after, redriveFilter="REDRIVEN")] == [1]


def test_a_joined_result_over_256_kib_fails_the_run_and_a_redrive_begins_another(machines: Machines) -> None:
    inside = {"P": {"Type": "Pass", "Result": "x" * 100_000, **END}}
    execution = machines.start(machines.make(distributed(inside)), {"items": [1, 2, 3]})
    ended = machines.end(execution)
    assert (ended["status"], ended["error"]) == ("FAILED", "States.DataLimitExceeded")
    machines.client.redrive_execution(executionArn=execution)
    machines.end(execution)
    assert len(machines.client.list_map_runs(executionArn=execution)["mapRuns"]) == 2


def test_items_go_in_batches_and_short_children_have_no_history(machines: Machines) -> None:
    inside = {"P": {"Type": "Pass", **END}}
    batcher = {"MaxItemsPerBatch": 2, "BatchInput": {"of.$": "$.name"}}
    machine = machines.make(distributed(inside, "EXPRESS", ItemBatcher=batcher))
    execution = machines.start(machine, {"items": [1, 2, 3], "name": "n"})
    ended = machines.end(execution)
    assert json.loads(ended["output"]) == [
        {"BatchInput": {"of": "n"}, "Items": [1, 2]},
        {"BatchInput": {"of": "n"}, "Items": [3]},
    ]
    run = run_of(machines, execution)
    assert (run["itemCounts"]["succeeded"], run["executionCounts"]["succeeded"]) == (3, 2)
    assert code_of(lambda: children(machines, run)) == "StateMachineTypeNotSupported"


def test_the_machines_role_must_be_allowed_to_start_and_redrive_its_children(machines: Machines, cloud: Any) -> None:
    """https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html and redrive-map-run.html."""
    iam = cloud.client("iam")
    inside = failing_where("bad")
    machine = machines.make(distributed(inside))
    name = machine.rpartition(":")[2]
    nothing = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    role = roles.make(iam, f"{name}-role", nothing)
    machines.client.update_state_machine(stateMachineArn=machine, roleArn=role)

    def allow(action: str, resource: str) -> None:
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        iam.put_role_policy(RoleName=f"{name}-role", PolicyName=action[7:], PolicyDocument=roles.document(statement))

    execution = machines.start(machine, {"items": [{"bad": True}]})
    ended = machines.end(execution)
    assert ended["status"] == "FAILED"
    assert "is not authorized to perform: states:StartExecution on resource: " + machine in ended["cause"]
    allow("states:StartExecution", machine)
    machines.client.redrive_execution(executionArn=execution)
    assert machines.end(execution)["error"] == "States.ExceedToleratedFailureThreshold"
    machines.client.redrive_execution(executionArn=execution)
    assert "states:RedriveExecution" in machines.end(execution)["cause"]
    allow("states:RedriveExecution", machine.replace(":stateMachine:", ":execution:") + "/each:*")
    machines.client.redrive_execution(executionArn=execution)
    assert machines.end(execution)["error"] == "States.ExceedToleratedFailureThreshold"


def test_what_a_restart_interrupts_is_redriven_with_its_children(tmp_path: Path, cloud_of: Any) -> None:
    inside = {
        "Before": sdk("sqs:listQueues", {}, ResultPath=None, Next="Wait"),
        "Wait": {"Type": "Wait", "SecondsPath": "$.seconds", **END},
    }
    with daemon.running(data=tmp_path) as info:
        machines = Machines(cloud_of(info))
        items = [{"seconds": 0}, {"seconds": 600}, {"seconds": 600}]
        execution = machines.start(machines.make(distributed(inside)), {"items": items})
        until(
            lambda: run_of(machines, execution)["executionCounts"], lambda c: (c["succeeded"], c["running"]) == (1, 2)
        )
    with daemon.running(data=tmp_path, speed=6000) as info:
        machines = Machines(cloud_of(info))
        assert machines.end(execution)["cause"] == "The local cloud was restarted."
        assert run_of(machines, execution)["status"] == "ABORTED"
        machines.client.redrive_execution(executionArn=execution)
        assert machines.end(execution)["status"] == "SUCCEEDED"
        assert run_of(machines, execution)["executionCounts"]["succeeded"] == 3
        assert machines.cloud.calls().count("sqs:ListQueues") <= 2  # of those that were interrupted at most


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"ItemReader": {}}, "offers no ItemReader"),
        ({"ResultWriter": {}}, "offers no ResultWriter"),
        ({"Label": ""}, "A Label has 1 to 40 characters"),
        ({"Label": "x" * 41}, "A Label has 1 to 40 characters"),
        ({"Label": "a{b}"}, "A Label has 1 to 40 characters"),
        ({"ToleratedFailurePercentage": 101}, "from 0 to 100"),
        ({"ToleratedFailureCount": 1, "ToleratedFailureCountPath": "$.n"}, "either"),
        ({"ItemBatcher": {}}, "MaxItemsPerBatch"),
    ],
    ids=str,
)
def test_a_wrong_distributed_map_is_refused_by_its_field(
    machines: Machines, more: dict[str, Any], message: str
) -> None:
    states = distributed({"P": {"Type": "Pass", **END}}, **more)
    definition = json.dumps({"StartAt": "M", "States": states})
    answer = machines.client.validate_state_machine_definition(definition=definition)
    assert message in answer["diagnostics"][0]["message"]


def test_two_maps_may_not_share_a_label(machines: Machines) -> None:
    one = distributed({"P": {"Type": "Pass", **END}})["M"]
    first = {key: value for key, value in one.items() if key != "End"} | {"Next": "N"}
    definition = json.dumps({"StartAt": "M", "States": {"M": first, "N": one}})
    answer = machines.client.validate_state_machine_definition(definition=definition)
    assert "stands twice" in answer["diagnostics"][0]["message"]
