"""State machines, their versions and aliases."""

from __future__ import annotations

import json
import random
import re
import uuid
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.scoped_store import ScopedStore
from localcloud.services.stepfunctions.asl.validate import problems
from localcloud.services.stepfunctions.model import MACHINE_FIELDS, Machine, qualifier
from localcloud.services.stepfunctions.store import MachineStore

NAME = re.compile(r"[^\s<>{}\[\]?*\"#%\\^|~`$&,;:/\x00-\x1f\x7f-\x9f]{1,80}")


def check_name(name: str) -> None:
    """Raise InvalidName for a name that Step Functions refuses."""
    if not NAME.fullmatch(name):
        raise ServiceError("InvalidName", f"Invalid Name: '{name}'")


class Machines:
    """The handlers of everything but executions."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._regions = ScopedStore(cloud, "stepfunctions", MachineStore)

    def _states(self, request: AwsRequest) -> MachineStore:
        return self._regions.of(request.account, request.region)

    @staticmethod
    def _check_definition(text: str) -> None:
        diagnostics = problems(text)
        if diagnostics:
            message = ", ".join(f"{p.code}: {p.message} at {p.location}" for p in diagnostics[:10])
            raise ServiceError("InvalidDefinition", f"Invalid State Machine Definition: '{message}'")

    @handles
    def validate_state_machine_definition(self, request: AwsRequest) -> dict[str, Any]:
        """Say what is wrong with a definition."""
        diagnostics = problems(request.params["definition"])
        return {
            "result": "FAIL" if diagnostics else "OK",
            "diagnostics": [
                {"severity": "ERROR", "code": p.code, "message": p.message, "location": p.location} for p in diagnostics
            ],
            "truncated": False,
        }

    @handles
    def create_state_machine(self, request: AwsRequest) -> dict[str, Any]:
        """Make a machine. The same again is no error, another under the name is."""
        params, states = request.params, self._states(request)
        check_name(params["name"])
        self._check_definition(params["definition"])
        if params.get("type", "STANDARD") != "STANDARD":
            raise ServiceError("ValidationException", "the local cloud offers standard workflows only")
        settings = {k: params[k] for k in MACHINE_FIELDS if k in params}
        arn = states.arn("stateMachine", params["name"])
        now = self._cloud.clock.utcnow()
        with self._regions.lock:
            machine = states.machines.get(arn)
            if machine and machine.given != settings:
                raise ServiceError("StateMachineAlreadyExists", f"State Machine Already Exists: '{arn}'")
            if machine is None:
                tags = {t["key"]: t["value"] for t in params.get("tags") or ()}
                machine = Machine(arn, params["name"], "STANDARD", now, settings, tags=tags)
                states.machines[arn] = machine
            answer: dict[str, Any] = {"stateMachineArn": arn, "creationDate": machine.created}
            if params.get("publish"):
                answer["stateMachineVersionArn"] = f"{arn}:{machine.publish(params.get('versionDescription'), now)}"
        return answer

    @handles
    def update_state_machine(self, request: AwsRequest) -> dict[str, Any]:
        """Change a machine. Running executions keep what they began with."""
        params, states = request.params, self._states(request)
        changes = {k: params[k] for k in MACHINE_FIELDS if k in params}
        if "definition" in changes:
            self._check_definition(changes["definition"])
        with self._regions.lock:
            machine = states.machine(params["stateMachineArn"])
            now = self._cloud.clock.utcnow()
            changed = machine.given | changes
            if changed != machine.given:
                machine.given, machine.revision = changed, str(uuid.uuid4())
            answer: dict[str, Any] = {"updateDate": now, "revisionId": machine.revision}
            if params.get("publish"):
                number = machine.publish(params.get("versionDescription"), now)
                answer["stateMachineVersionArn"] = f"{machine.arn}:{number}"
        return answer

    @handles
    def describe_state_machine(self, request: AwsRequest) -> dict[str, Any]:
        """Return a machine, a version of it, or what an alias leads to."""
        arn = request.params["stateMachineArn"]
        machine = self._states(request).machine(arn)
        version = self.resolve(machine, arn)[0]
        return machine.describe(version)

    @staticmethod
    def resolve(machine: Machine, arn: str) -> tuple[int | None, str | None]:
        """Return the version that an ARN leads to (None: the machine itself), and the alias's ARN if it names one."""
        name = qualifier(arn)
        if not name:
            return None, None
        if name.isdigit():
            if int(name) not in machine.versions:
                raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
            return int(name), None
        if name not in machine.aliases:
            raise ServiceError("StateMachineDoesNotExist", f"State Machine Does Not Exist: '{arn}'")
        routes = machine.aliases[name]["routingConfiguration"]
        chosen = random.choices(routes, [r["weight"] for r in routes])[0]  # noqa: S311 - traffic, no secret
        return int(qualifier(chosen["stateMachineVersionArn"])), arn

    @handles
    def list_state_machines(self, request: AwsRequest) -> dict[str, Any]:
        """List machines."""
        shown = ("stateMachineArn", "name", "type", "creationDate")
        machines = self._states(request).machines.values()
        return {"stateMachines": [{k: m.describe()[k] for k in shown} for m in machines]}

    @handles
    def delete_state_machine(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a machine. One that isn't there is no error."""
        with self._regions.lock:
            self._states(request).machines.pop(request.params["stateMachineArn"], None)
        return {}

    @handles
    def publish_state_machine_version(self, request: AwsRequest) -> dict[str, Any]:
        """Publish what the machine is now."""
        params, now = request.params, self._cloud.clock.utcnow()
        with self._regions.lock:
            machine = self._states(request).machine(params["stateMachineArn"])
            if params.get("revisionId") not in (None, machine.revision):
                raise ServiceError("ConflictException", "The revision is not the machine's current one", 409)
            number = machine.publish(params.get("description"), now)
        return {"stateMachineVersionArn": f"{machine.arn}:{number}", "creationDate": now}

    @handles
    def list_state_machine_versions(self, request: AwsRequest) -> dict[str, Any]:
        """List versions, newest first."""
        machine = self._states(request).machine(request.params["stateMachineArn"])
        return {
            "stateMachineVersions": [
                {"stateMachineVersionArn": f"{machine.arn}:{n}", "creationDate": machine.versions[n]["creationDate"]}
                for n in sorted(machine.versions, reverse=True)
            ]
        }

    @handles
    def delete_state_machine_version(self, request: AwsRequest) -> dict[str, Any]:
        """Delete a version that no alias uses."""
        arn = request.params["stateMachineVersionArn"]
        with self._regions.lock:
            machine = self._states(request).machine(arn)
            for alias in machine.aliases.values():
                if any(r["stateMachineVersionArn"] == arn for r in alias["routingConfiguration"]):
                    raise ServiceError("ConflictException", f"Version is referenced by an alias: {arn}", 409)
            machine.versions.pop(int(qualifier(arn) or 0), None)
        return {}

    # -- aliases

    def _routes(self, states: MachineStore, raw: list[dict[str, Any]]) -> Machine:
        if sum(route["weight"] for route in raw) != 100 or len(raw) > 2:  # noqa: PLR2004 - documented
            raise ServiceError(
                "ValidationException", "Sum of routing configuration weights must be 100, over two at most"
            )
        machines = {states.machine(route["stateMachineVersionArn"]).arn for route in raw}
        machine = states.machines[machines.pop()]
        for route in raw:
            self.resolve(machine, route["stateMachineVersionArn"])
        return machine

    def _alias(self, request: AwsRequest, arn: str) -> tuple[Machine, dict[str, Any]]:
        machine = self._states(request).machine(arn)
        alias = machine.aliases.get(qualifier(arn))
        if alias is None:
            raise ServiceError("ResourceNotFound", f"Request references a resource that does not exist: '{arn}'")
        return machine, alias

    @handles
    def create_state_machine_alias(self, request: AwsRequest) -> dict[str, Any]:
        """Make an alias. The same again is no error."""
        params, now = request.params, self._cloud.clock.utcnow()
        check_name(params["name"])
        with self._regions.lock:
            machine = self._routes(self._states(request), params["routingConfiguration"])
            arn = f"{machine.arn}:{params['name']}"
            old = machine.aliases.get(params["name"])
            if old and old["routingConfiguration"] != params["routingConfiguration"]:
                raise ServiceError("ConflictException", f"Alias already exists: {arn}", 409)
            if old is None:
                machine.aliases[params["name"]] = {
                    "stateMachineAliasArn": arn,
                    "name": params["name"],
                    "description": params.get("description", ""),
                    "routingConfiguration": params["routingConfiguration"],
                    "creationDate": now,
                    "updateDate": now,
                }
        return {"stateMachineAliasArn": arn, "creationDate": machine.aliases[params["name"]]["creationDate"]}

    @handles
    def describe_state_machine_alias(self, request: AwsRequest) -> dict[str, Any]:
        """Return an alias."""
        return self._alias(request, request.params["stateMachineAliasArn"])[1]

    @handles
    def update_state_machine_alias(self, request: AwsRequest) -> dict[str, Any]:
        """Change an alias."""
        params, now = request.params, self._cloud.clock.utcnow()
        with self._regions.lock:
            alias = self._alias(request, params["stateMachineAliasArn"])[1]
            if params.get("routingConfiguration"):
                self._routes(self._states(request), params["routingConfiguration"])
            alias.update({k: params[k] for k in ("description", "routingConfiguration") if k in params})
            alias["updateDate"] = now
        return {"updateDate": now}

    @handles
    def delete_state_machine_alias(self, request: AwsRequest) -> dict[str, Any]:
        """Delete an alias."""
        with self._regions.lock:
            machine, alias = self._alias(request, request.params["stateMachineAliasArn"])
            del machine.aliases[alias["name"]]
        return {}

    @handles
    def list_state_machine_aliases(self, request: AwsRequest) -> dict[str, Any]:
        """List aliases."""
        aliases = self._states(request).machine(request.params["stateMachineArn"]).aliases.values()
        return {"stateMachineAliases": [{k: a[k] for k in ("stateMachineAliasArn", "creationDate")} for a in aliases]}

    # -- tags

    @handles
    def list_tags_for_resource(self, request: AwsRequest) -> dict[str, Any]:
        """List a machine's tags."""
        tags = self._states(request).machine(request.params["resourceArn"]).tags
        return {"tags": [{"key": k, "value": v} for k, v in tags.items()]}

    @handles
    def tag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Tag a machine."""
        machine = self._states(request).machine(request.params["resourceArn"])
        machine.tags.update({t["key"]: t["value"] for t in request.params["tags"]})
        return {}

    @handles
    def untag_resource(self, request: AwsRequest) -> dict[str, Any]:
        """Untag a machine."""
        machine = self._states(request).machine(request.params["resourceArn"])
        for key in request.params["tagKeys"]:
            machine.tags.pop(key, None)
        return {}


def definition_of(machine: Machine, version: int | None) -> tuple[dict[str, Any], str]:
    """Return the parsed definition and the role of a machine or of one of its versions."""
    settings = machine.versions[version] if version else machine.given
    parsed: dict[str, Any] = json.loads(settings["definition"])
    return parsed, settings["roleArn"]
