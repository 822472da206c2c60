"""How a stack is made, changed and deleted: resource by resource in the order of their references, with rollback.

Moto reads templates and has models of resources. Its own way through them adds before it changes, deletes what
`DeletionPolicy` retains, gives up half-way at an error and calls the stack complete. This takes its place:
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/stack-failure-options.html
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from localcloud.protocol.codec import ServiceError
from localcloud.services.cloudformation.functions import StackResource

NOT_MADE = ("AWS::CloudWatch::", "AWS::CodeDeploy::", "AWS::Lambda::", "AWS::Serverless::", "AWS::StepFunctions::")
"""Types that Moto would make in a store that nothing reads, but for those that `functions` makes."""

Maker = Callable[[str], Any]
_NAME = re.compile(r"\$\{([A-Za-z0-9]+)[.}]")


class ResourceFailedError(Exception):
    """A resource couldn't be made or changed; its stack's events say why."""


class StackChange:
    """One creation or update of a stack. `makers` are the types of ours, as Moto's map of models has them."""

    def __init__(self, stack: Any, verb: str, makers: Mapping[str, Any]) -> None:
        self.stack = stack
        self.verb = verb
        self._makers = makers
        self._map = stack.resource_map
        self._saved = {name: copy.copy(value) for name, value in vars(self._map).items()}
        self._texts = (stack.template, stack.template_dict)
        self._old = {name: self._resolved(name) for name in self._made()} if verb == "UPDATE" else {}
        self._done: list[tuple[str, Any, Any]] = []  # name, resource before, resource now (None: half changed)
        self._replaced: list[tuple[str, Any]] = []

    def load(self, template: str, parameters: Mapping[str, Any]) -> None:
        """Read the new template. Raises what CloudFormation says of a bad one, and leaves the stack as it was."""
        try:
            self.stack.template = template
            self.stack._parse_template()  # noqa: SLF001
            self._map._template = self.stack.template_dict  # noqa: SLF001
            self._map._resource_json_map = self.stack.template_dict["Resources"]  # noqa: SLF001
            self._map.input_parameters = dict(parameters)
            for name in self._map.resolved_parameters:
                self._map._parsed_resources.pop(name, None)  # noqa: SLF001
            self._map.resolved_parameters = {}
            self._map.load()
            self._order()
        except Exception:
            self._restore()
            raise

    def run(self, *, keeps_failed: bool) -> None:
        """Make and change everything, then delete what is left over. At a failure all of it is undone, or kept."""
        stack, verb = self.stack, self.verb
        try:
            for name in self._order():
                self._apply(name)
        except ResourceFailedError as failure:
            if keeps_failed:
                self._keep()
                note(stack, f"{verb}_FAILED", f"The following resource(s) failed: [{failure}].")
            else:
                self._undo(str(failure))
            return
        self._clean()
        if all(resource.is_created() for resource in self._made().values() if hasattr(resource, "is_created")):
            note(stack, f"{verb}_COMPLETE")

    def _apply(self, name: str) -> None:
        json = self._map._resource_json_map[name]  # noqa: SLF001
        kind, before = str(json["Type"]), self._made().get(name)
        if not self._wanted(name):
            return
        if why := reason(kind, self._makers):
            self._failed(name, kind, "CREATE", why)
        if not _is_made(kind):
            return
        verb = "CREATE" if before is None else "UPDATE"
        try:
            if before is not None and self._resolved(name) == self._old.get(name):
                return
            event(self.stack, name, kind, f"{verb}_IN_PROGRESS", resource=before)
            if before is not None:
                self._done.append((name, before, None))
                now = self._update(name)
                self._done.pop()
            else:
                now = self._map[name]
        except Exception as error:  # noqa: BLE001 - whatever a model of a resource raises is that resource's failure
            self._failed(name, kind, verb, _message(error))
        self._done.append((name, before, now))
        if _other(before, now):
            self._replaced.append((name, before))
        event(self.stack, name, kind, f"{verb}_COMPLETE", resource=now)

    def _update(self, name: str) -> Any:
        from moto.cloudformation.parsing import parse_and_update_resource

        resources, json = self._map, self._map._resource_json_map[name]  # noqa: SLF001
        where = {"account_id": self.stack.account_id, "region_name": self.stack.region_name}
        now = parse_and_update_resource(name, copy.deepcopy(json), resources, **where)
        if now is None:  # a type that Moto can't change
            return resources[name]
        resources._parsed_resources[name] = now  # noqa: SLF001
        return now

    def _failed(self, name: str, kind: str, verb: str, why: str) -> None:
        event(self.stack, name, kind, f"{verb}_FAILED", why, self._made().get(name))
        raise ResourceFailedError(name)

    def _clean(self) -> None:
        """Delete what no longer belongs to the stack. What can't be deleted is left, as on AWS."""
        new = self._map._resource_json_map  # noqa: SLF001
        made = self._made()
        lost = [name for name in in_order(self._old) if name in made and (name not in new or not self._wanted(name))]
        for name in reversed(lost):
            resource = self._map._parsed_resources.pop(name)  # noqa: SLF001
            delete(self.stack, name, resource, self._old[name], self._makers, "DeletionPolicy")
        for name, resource in self._replaced:
            delete(self.stack, name, resource, self._old[name], self._makers, "UpdateReplacePolicy")
        self.stack.output_map = self.stack._create_output_map()  # noqa: SLF001

    def _undo(self, failed: str) -> None:
        stack, rolled = self.stack, "ROLLBACK" if self.verb == "CREATE" else "UPDATE_ROLLBACK"
        note(stack, f"{rolled}_IN_PROGRESS", f"The following resource(s) failed to {self.verb.lower()}: [{failed}].")
        made, now_json = self._made(), dict(self._map._resource_json_map)  # noqa: SLF001
        self._restore()
        is_undone = True
        for name, before, now in reversed(self._done):
            if before is None or _other(before, now):
                is_undone &= delete(stack, name, now, now_json[name], self._makers)
                continue
            self._map._parsed_resources[name] = made[name]  # noqa: SLF001
            kind = str(self._old[name]["Type"])
            try:
                event(stack, name, kind, "UPDATE_COMPLETE", resource=self._update(name))
            except Exception as error:  # noqa: BLE001
                event(stack, name, kind, "UPDATE_FAILED", _message(error), before)
                is_undone = False
        if self.verb == "CREATE":
            self._map._resource_json_map = {}  # noqa: SLF001 - Moto would make again whatever is read
            self._show_no_outputs()
        else:
            stack.output_map = stack._create_output_map()  # noqa: SLF001
        note(stack, f"{rolled}_{'COMPLETE' if is_undone else 'FAILED'}")

    def _keep(self) -> None:
        """Keep what was made; the next update begins from there."""
        done = {name for name, _, now in self._done if now is not None}
        was, now = self._saved["_resource_json_map"], self._map._resource_json_map  # noqa: SLF001
        made = self._made()
        self._map._resource_json_map = {name: now[name] if name in done else was[name] for name in made}  # noqa: SLF001
        self._show_no_outputs()

    def _show_no_outputs(self) -> None:
        from moto.cloudformation.parsing import OutputMap

        self.stack.output_map = OutputMap(self._map, {**self.stack.template_dict, "Outputs": {}}, self.stack.stack_id)

    def _restore(self) -> None:
        vars(self._map).clear()
        vars(self._map).update({name: copy.copy(value) for name, value in self._saved.items()})
        self.stack.template, self.stack.template_dict = self._texts

    def _made(self) -> dict[str, Any]:
        """Return the resources that are there, by logical name."""
        known = {**self._saved["_resource_json_map"], **self._map._resource_json_map}  # noqa: SLF001
        return {name: of for name, of in self._map._parsed_resources.items() if name in known and of is not None}  # noqa: SLF001

    def _wanted(self, name: str) -> bool:
        condition = self._map._resource_json_map[name].get("Condition")  # noqa: SLF001
        return not condition or bool(self._map.lazy_condition_map[condition])

    def _resolved(self, name: str) -> Any:
        from moto.cloudformation.parsing import clean_json

        json = copy.deepcopy(self._map._resource_json_map[name])  # noqa: SLF001
        return clean_json({**json, "Properties": json.get("Properties") or {}}, self._map)

    def _order(self) -> list[str]:
        return in_order(self._map._resource_json_map)  # noqa: SLF001


def reason(kind: str, makers: Mapping[str, Any]) -> str:
    """Return why a resource isn't made, or an empty text for one that is."""
    if not kind.startswith(NOT_MADE) or kind in makers:
        return ""
    return f"the local cloud makes no {kind} by CloudFormation; use the service's own API, or Terraform"


def delete_all(stack: Any, makers: Mapping[str, Any]) -> bool:
    """Delete a stack's resources, those last that others refer to. Return whether all went."""
    resources = stack.resource_map
    rest = list(reversed(in_order(resources._resource_json_map)))  # noqa: SLF001
    note(stack, "DELETE_IN_PROGRESS", "User Initiated")
    for _ in range(2):  # a second time for what hung on something that no reference names
        for name in list(rest):
            of, json = resources._parsed_resources.get(name), resources._resource_json_map[name]  # noqa: SLF001
            if of is None or delete(stack, name, of, json, makers, "DeletionPolicy"):
                resources._parsed_resources.pop(name, None)  # noqa: SLF001
                rest.remove(name)
    why = f"The following resource(s) failed to delete: [{', '.join(rest)}]." if rest else None
    note(stack, "DELETE_FAILED" if rest else "DELETE_COMPLETE", why)
    return not rest


def delete(
    stack: Any, name: str, resource: Any, json: Mapping[str, Any], makers: Mapping[str, Any], policy: str = ""
) -> bool:
    """Delete one resource, unless its policy retains it. Return whether it needs no second try."""
    kind = str(json["Type"])
    if policy and json.get(policy) == "Retain":
        event(stack, name, kind, "DELETE_SKIPPED", resource=resource)
        return True
    try:
        if isinstance(resource, StackResource):
            makers[kind].delete(resource, stack.account_id, stack.region_name)
        else:
            stack.resource_map._delete_resource(resource, json)  # noqa: SLF001
    except Exception as error:  # noqa: BLE001
        event(stack, name, kind, "DELETE_FAILED", _message(error), resource)
        return False
    event(stack, name, kind, "DELETE_COMPLETE", resource=resource)
    return True


def event(stack: Any, name: str, kind: str, status: str, why: str | None = None, resource: Any = None) -> None:
    """Add an event of a resource."""
    from moto.cloudformation.models import Event

    physical = str(getattr(resource, "physical_resource_id", None) or "")
    stack.events.append(Event(stack.stack_id, stack.name, name, physical, kind, status, why, None))


def note(stack: Any, status: str, why: str | None = None) -> None:
    """Give a stack a status, with an event."""
    stack.status, stack.stack_status_reason = status, why
    stack._add_stack_event(status, why)  # noqa: SLF001


def in_order(resources: Mapping[str, Any]) -> list[str]:
    """Return logical names, each behind those that it refers to."""
    try:
        return list(
            TopologicalSorter(
                {name: [other for other in _names(json) if other in resources] for name, json in resources.items()}
            ).static_order()
        )
    except CycleError as error:
        names = ", ".join(sorted(set(error.args[1])))
        raise ServiceError("ValidationError", f"Circular dependency between resources: [{names}]") from None


def _names(json: Any) -> Iterator[str]:
    """Yield what a piece of a template refers to."""
    if isinstance(json, list):
        for item in json:
            yield from _names(item)
    if not isinstance(json, dict):
        return
    for key, value in json.items():
        if key == "Ref":
            yield str(value)
        elif key == "Fn::GetAtt":
            yield str(value[0] if isinstance(value, list) else str(value).partition(".")[0])
        elif key == "DependsOn":
            yield from [value] if isinstance(value, str) else value
        elif key == "Fn::Sub":
            yield from _NAME.findall(value if isinstance(value, str) else value[0])
        yield from _names(value)


def _is_made(kind: str) -> bool:
    from moto.cloudformation.parsing import resource_class_from_type

    return resource_class_from_type(kind) is not None


def _other(before: Any, now: Any) -> bool:
    """Say whether a resource of ours was replaced. Moto's models delete what they replace themselves."""
    if not isinstance(before, StackResource) or now is None:
        return False
    return bool(before.physical_resource_id != now.physical_resource_id)


def _message(error: Exception) -> str:
    code = str(getattr(error, "code", "") or type(error).__name__)
    text = str(getattr(error, "message", "") or error)
    return f'Resource handler returned message: "{text}" (HandlerErrorCode: {code})'
