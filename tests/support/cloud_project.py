"""A whole project on a local cloud, made through AWS's API in a second: two rungs, CodeDeploy, the pipeline."""

from __future__ import annotations

import io
import threading
from typing import Any

import cloud_alarms
from asking import until
from cloud_resources import CloudResources

from stepladder.commands import promote as promote_command
from stepladder.core.console import Console
from stepladder.core.errors import ExitCode, StepladderError
from stepladder.core.names import target_key
from stepladder.ledger.schema import RELEASE_PREFIX
from stepladder.promotion.audit import Judged, judge
from stepladder.promotion.contract import child_name
from stepladder.promotion.evidence import read
from stepladder.promotion.executions import Execution, StateMachine
from stepladder.promotion.subject import PromotionOptions
from stepladder.settings.locations import representatives

ALARM_SECONDS = 600.0  # of the clock: more than an alarm's periods last


class PromotionResult:
    """How a promotion ended, as the command line shows it."""

    def __init__(self, code: int, record: dict[str, Any], message: str, text: str) -> None:
        self.code, self.record, self.message, self.text = code, record, message, text


class CloudProject(CloudResources):
    """One project that is promoted and observed as the command line does it."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.by_hand: set[str] = set()  # environments whose alias a test moved itself
        self._audited: set[str] = set()
        self._unread_audits: list[tuple[Execution, tuple[Judged, ...]]] = []
        self._auditor: StateMachine | None = None

    def forget(self, environment: str = "production") -> None:
        """Bring a rung to where Terraform makes it: a service that was never released, of which the ledger is empty."""
        self._unread_audits = self.audits()
        self.client("lambda", environment).update_alias(
            FunctionName=self.function(environment),
            Name="live",
            FunctionVersion="$LATEST",
            RoutingConfig={"AdditionalVersionWeights": {}},
        )
        entries = self.ledger(environment).history(environment, limit=1000)
        for sort_key in ("current", *(f"{RELEASE_PREFIX}{entry.release_id}" for entry in entries)):
            self.client("dynamodb", environment).delete_item(
                TableName=f"{self.name}-releases", Key={"pk": {"S": f"env#{environment}"}, "sk": {"S": sort_key}}
            )

    def ship(self, source: str, labels: dict[str, str] | None = None) -> str:
        """Push an image and put it on the lowest rung; return its digest."""
        uri = self.push(source, labels)
        for environment in self.settings.rungs[0]:
            for function in self.settings.function_names:
                self.release(target_key(environment, function), uri)
        return uri.rpartition("@")[2]

    # promotions

    def state_machine(self, console: Console | None = None) -> StateMachine:
        return StateMachine(self.rung(console=console))

    def promote(self, **request: Any) -> PromotionResult:
        """Promote as the command line does, the delivery root aside."""
        return self.run(lambda machine: promote_command.promote(machine, PromotionOptions(**request)))

    def run(self, act: Any) -> PromotionResult:
        text = io.StringIO()
        machine = self.state_machine(Console(err=text, live=False))
        try:
            return PromotionResult(int(ExitCode.OK), act(machine), "", text.getvalue())
        except StepladderError as error:
            return PromotionResult(int(error.exit_code), dict(error.record), error.message, text.getvalue())

    def fire(self, environment: str = "production", kind: str = "errors") -> None:
        """Make an alarm fire, whatever its metric is."""
        cloud_alarms.fire(self.client("cloudwatch", environment), self.function(environment), kind)

    def calm(self, environment: str = "production", kind: str = "errors") -> None:
        """Let an alarm watch the function again."""
        cloudwatch, function = self.client("cloudwatch", environment), self.function(environment)
        cloudwatch.delete_alarms(AlarmNames=[f"{function}-{kind}"])
        cloud_alarms.put(cloudwatch, function, kind)

    def alarm_state(self, environment: str = "production", kind: str = "errors") -> str:
        answer = self.client("cloudwatch", environment).describe_alarms(
            AlarmNames=[f"{self.function(environment)}-{kind}"]
        )
        return str(answer["MetricAlarms"][0]["StateValue"])

    def outlive_alarms(self) -> None:
        """Let the time pass in which alarms count calls that failed, and wait until none fires.

        They fire until some minutes of the clock after the last such call: a second later, or after a promotion began.
        """
        self.cloud.info.request("clock", "POST", {"advance": ALARM_SECONDS})
        for environment in representatives(self.settings):
            watched = self.client("cloudwatch", environment)
            filters = {"AlarmNamePrefix": f"{self.name}-", "StateValue": "ALARM"}
            until(lambda: watched.describe_alarms(**filters)["MetricAlarms"], lambda firing: not firing)  # noqa: B023

    def in_background(self, **request: Any) -> BackgroundPromotion:
        return BackgroundPromotion(lambda: self.promote(**request))

    # what is true

    def audits(self) -> list[tuple[Execution, tuple[Judged, ...]]]:
        """Audit every promotion that was not audited before; what `by_hand` names was moved by the test itself."""
        self._auditor = machine = self._auditor or self.state_machine()
        audits, self._unread_audits = self._unread_audits, []
        for listed in machine.executions(limit=20, may_be_missing=True):
            if listed["executionArn"] in self._audited:
                continue
            self._audited.add(listed["executionArn"])
            if execution := machine.describe(listed["executionArn"]):
                audits.append((execution, judge(read(machine, execution), frozenset(self.by_hand))))
        return audits

    def alias(self, environment: str = "production") -> tuple[str, dict[str, float]]:
        answer = self.client("lambda", environment).get_alias(FunctionName=self.function(environment), Name="live")
        weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        return answer["FunctionVersion"], weights

    def digest(self, environment: str = "production") -> str:
        answer = self.client("lambda", environment).get_function(
            FunctionName=self.function(environment), Qualifier=self.alias(environment)[0]
        )
        return str(answer["Code"]["ResolvedImageUri"]).rpartition("@")[2]

    def active_deployments(self, environment: str = "production") -> list[str]:
        deployments: list[str] = self.client("codedeploy", environment).list_deployments(
            applicationName=self.function(environment),
            deploymentGroupName="live",
            includeOnlyStatuses=["Created", "Queued", "InProgress", "Ready"],
        )["deployments"]
        return deployments

    def running(self) -> list[str]:
        """The promotions that are under way, in any location."""
        return [
            execution["executionArn"]
            for at, machine in self.machines.items()
            for execution in self.client("stepfunctions", at).list_executions(
                stateMachineArn=machine, statusFilter="RUNNING"
            )["executions"]
        ]

    def child(self, parent: str, environment: str) -> str:
        """The ARN of the child execution by which another location releases an environment."""
        machine = next(arn for at, arn in self.machines.items() if self.location(at) == self.location(environment))
        return f"{machine.replace(':stateMachine:', ':execution:')}:{child_name(parent, environment)}"

    def entered(self, execution: str, at: str = "") -> list[str]:
        """The states that an execution came to, in order."""
        client, names, more = self.client("stepfunctions", at), [], {}
        while True:
            answer = client.get_execution_history(executionArn=execution, **more)
            names += [
                e["stateEnteredEventDetails"]["name"] for e in answer["events"] if "stateEnteredEventDetails" in e
            ]
            if "nextToken" not in answer:
                return names
            more = {"nextToken": answer["nextToken"]}

    def ledger(self, environment: str | None = None) -> Any:
        return self.rung(environment).ledger


class BackgroundPromotion:
    """A promotion in a thread; `result` waits for it."""

    def __init__(self, act: Any) -> None:
        self._result: list[PromotionResult] = []
        self._thread = threading.Thread(target=lambda: self._result.append(act()), daemon=True)
        self._thread.start()

    def result(self, timeout: float = 240) -> PromotionResult:
        self._thread.join(timeout)
        assert self._result, "the promotion has not ended"
        return self._result[0]
