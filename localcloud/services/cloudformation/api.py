"""CloudFormation: Moto's templates and resources, and Lambda's own; stacks that roll back; change sets as AWS has them.

A stack fails whose resources Moto would only pretend to make: see `stacks.NOT_MADE`. Nothing goes on behind an answer:
whoever creates or updates a stack waits for it.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from typing import Any
from urllib.parse import unquote, urlsplit

from localcloud.cloud import AwsRequest, Cloud, Response
from localcloud.protocol.codec import ServiceError
from localcloud.services.cloudformation import roles, stacks
from localcloud.services.cloudformation.functions import TYPES, MotoModel

_TEMPLATES = ("CreateChangeSet", "CreateStack", "GetTemplateSummary", "UpdateStack", "ValidateTemplate")
_READS = ("DescribeChangeSet", "ExecuteChangeSet", "DeleteChangeSet")
_REVIEW = "REVIEW_IN_PROGRESS"
_VIRTUAL = re.compile(r"(?P<bucket>.+?)\.(?:s3[.-].*|s3|localhost)")
_keeps_failed: ContextVar[bool] = ContextVar("keeps_failed", default=False)


def install(cloud: Cloud) -> None:
    """Register the actions."""
    service = CloudFormation(cloud)
    cloud.action("cloudformation", *_TEMPLATES)(service.with_template)
    cloud.action("cloudformation", *_READS)(service.with_change_set)
    cloud.action("cloudformation", "DeleteStack")(service.delete_stack)
    cloud.action("cloudformation", "ListChangeSets")(service.list_change_sets)


class CloudFormation:
    """The handlers. Moto's modules are imported by the first of them: that would keep the cloud from ready."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._lock = threading.RLock()
        self._makers: dict[str, MotoModel | roles.RoleModel] = {}

    def with_template(self, request: AwsRequest) -> Response:
        """Answer an action that has a template, with its URL read and its previous parameters filled in."""
        params = {key: value for key, value in request.params.items() if key not in ("DisableRollback", "OnFailure")}
        if url := params.pop("TemplateURL", ""):
            params["TemplateBody"] = self._read(request, str(url))
        backend = self._backend(request)
        stack = _find(backend, str(params.get("StackName", "")))
        params = _with_previous(params, stack)
        if request.action == "CreateChangeSet":
            params.setdefault("ChangeSetType", "UPDATE")
            _check_new_change_set(backend, stack, params)
        if request.action == "UpdateStack":
            self._check_changed(request, stack, params)
        keeps = _is_kept(request.params)
        answer = self._forward(request, params, keeps=keeps)
        for change in backend.change_sets.values() if keeps else ():
            if change.change_set_name == params.get("ChangeSetName"):
                change.keeps_failed = True
        return answer

    def with_change_set(self, request: AwsRequest) -> Response | None:
        """Answer an action on a change set of the stack that is named, or of its own ARN."""
        backend, params = self._backend(request), dict(request.params)
        stack = _find(backend, str(params.get("StackName", "")))
        name = str(params["ChangeSetName"])
        if params.get("StackName") and stack is None:
            raise ServiceError("ValidationError", f"Stack [{params['StackName']}] does not exist")
        sets = backend.change_sets.items()
        arn = next((arn for arn, of in sets if arn == name or (of.change_set_name == name and of.stack is stack)), "")
        if not arn and request.action == "DeleteChangeSet":
            return None  # the CDK relies on it: deploy-stack.ts, "successful as long as the stack exists"
        if not arn:
            raise ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", 404)
        change = backend.change_sets[arn]
        if request.action == "ExecuteChangeSet" and change.execution_status != "AVAILABLE":
            message = f"ChangeSet [{arn}] cannot be executed in its current status of [{change.status}]"
            raise ServiceError("InvalidChangeSetStatus", message)
        keeps = bool(params.pop("DisableRollback", False)) or getattr(change, "keeps_failed", False)
        return self._forward(request, {**params, "ChangeSetName": arn}, keeps=keeps)

    def list_change_sets(self, request: AwsRequest) -> Mapping[str, Any]:
        """ListChangeSets, of one stack."""
        answer = request.forward()
        wanted = request.params["StackName"]
        rows = [row for row in answer.get("Summaries", []) if wanted in (row.get("StackName"), row.get("StackId"))]
        return {**answer, "Summaries": rows}

    def delete_stack(self, request: AwsRequest) -> None:
        """DeleteStack. A stack that isn't there is no error."""
        backend = self._backend(request)
        stack = _find(backend, str(request.params["StackName"]))
        if stack is None:
            return
        self._begin(stack, "DELETE_IN_PROGRESS")
        if stacks.delete_all(stack, self._makers):
            backend.deleted_stacks[stack.stack_id] = backend.stacks.pop(stack.stack_id)
            _export(backend, stack, ())
            for arn in [arn for arn, of in backend.change_sets.items() if of.stack is stack]:
                del backend.change_sets[arn]

    def create(self, backend: Any, stack: Any) -> None:
        """Make all of a new stack."""
        self._begin(stack, "CREATE_IN_PROGRESS")
        stacks.note(stack, "CREATE_IN_PROGRESS", "User Initiated")
        change = stacks.StackChange(stack, "CREATE", self._makers)
        change.run(keeps_failed=_keeps_failed.get() or stack.disable_rollback)
        _export(backend, stack, _exports(stack))

    def update(self, backend: Any, stack: Any, template: str, parameters: Mapping[str, Any]) -> None:
        """Change a stack."""
        was = stack.status
        self._begin(stack, "UPDATE_IN_PROGRESS")
        change = stacks.StackChange(stack, "UPDATE", self._makers)
        try:
            change.load(template, parameters)
        except Exception:
            stack.status = was
            raise
        stacks.note(stack, "UPDATE_IN_PROGRESS", "User Initiated")
        change.run(keeps_failed=_keeps_failed.get())
        if stack.status != "UPDATE_ROLLBACK_COMPLETE":
            stack.parameters = dict(parameters)
        _export(backend, stack, _exports(stack))

    def _begin(self, stack: Any, status: str) -> None:
        with self._lock:
            if stack.status.endswith("_IN_PROGRESS") and stack.status != _REVIEW:
                message = f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated."
                raise ServiceError("ValidationError", message)
            stack.status = status

    def _forward(self, request: AwsRequest, params: Mapping[str, Any], *, keeps: bool) -> Response:
        token = _keeps_failed.set(keeps)
        try:
            return request.forward_raw(params)
        finally:
            _keeps_failed.reset(token)

    def _backend(self, request: AwsRequest) -> Any:
        from moto.cloudformation.models import cloudformation_backends

        with self._lock:
            if not self._makers:
                from moto.cloudformation.parsing import get_model_map

                self._makers = {kind.name: MotoModel(self._cloud, kind) for kind in TYPES}
                self._makers[roles.NAME] = roles.RoleModel(self._cloud, get_model_map()[roles.NAME])
                _replace_moto(self, self._makers)
        return cloudformation_backends[request.account][request.region]

    def _read(self, request: AwsRequest, url: str) -> str:
        """Return the template that lies in S3, whatever the address of S3 is."""
        address = urlsplit(url)
        path = unquote(address.path.lstrip("/"))
        virtual = _VIRTUAL.fullmatch(address.hostname or "")
        bucket, key = (virtual["bucket"], path) if virtual else (*path.partition("/")[::2],)
        where = {"account": request.account, "region": request.region}
        try:
            body = self._cloud.call("s3", "GetObject", {"Bucket": bucket, "Key": key}, **where)["Body"]
        except ServiceError as error:
            raise ServiceError("ValidationError", f"S3 error: {error.message}") from None
        return str((body.read() if hasattr(body, "read") else bytes(body)).decode())

    def _check_changed(self, request: AwsRequest, stack: Any, params: Mapping[str, Any]) -> None:
        """Refuse an update that changes nothing."""
        if stack is None or stack.status in ("UPDATE_FAILED", "CREATE_FAILED"):
            return
        template = params.get("TemplateBody") or stack.template
        tags = {tag["Key"]: tag["Value"] for tag in request.params.get("Tags") or ()}
        if stack.has_template(template) and stack.has_parameters(_values(params)) and tags in ({}, stack.tags):
            raise ServiceError("ValidationError", "No updates are to be performed.")


def _replace_moto(service: CloudFormation, makers: Mapping[str, Any]) -> None:
    """Take the place of Moto's way through a stack, and of its models of what Lambda keeps."""
    from moto.cloudformation import models, parsing
    from moto.cloudformation.responses import CloudFormationResponse

    parsing.get_model_map().update(makers)

    def create_stack(self: Any, name: str, template: str, parameters: dict[str, Any], **settings: Any) -> Any:
        if any(stack.name == name for stack in self.stacks.values()):
            raise models.AlreadyExistsException(f"Stack {name} already exists")
        names = {"timeout_in_mins", "notification_arns", "tags", "role_arn", "stack_policy_body"}
        stack = models.Stack(
            stack_id=models.generate_stack_id(name, self.region_name, self.account_id),
            name=name,
            template=template,
            parameters=parameters,
            account_id=self.account_id,
            region_name=self.region_name,
            cross_stack_resources=self.exports,
            enable_termination_protection=settings.get("enable_termination_protection"),
            **{key: value for key, value in settings.items() if key in names},
        )
        stacks.in_order(stack.template_dict.get("Resources") or {})
        self.stacks[stack.stack_id] = stack
        service.create(self, stack)
        return stack

    def update_stack(
        self: Any, name: str, template: str, role_arn: str | None, parameters: list[dict[str, Any]], tags: Any
    ) -> Any:
        stack = self.get_stack(name)
        service.update(self, stack, template, _values({"Parameters": parameters}))
        stack.role_arn, stack.tags = role_arn, stack.tags if tags is None else tags
        return stack

    def execute_change_set(self: Any, change_set_name: str, stack_name: str | None = None) -> None:
        del stack_name  # the handler arn the set by it
        change = self.change_sets[change_set_name]
        stack, change.execution_status = change.stack, "EXECUTE_IN_PROGRESS"
        if change.change_set_type == "CREATE":
            stack.template, stack.parameters = change.template, change.parameters
            stack.cross_stack_resources = self.exports
            stack._parse_template()  # noqa: SLF001
            stack.resource_map = stack._create_resource_map()  # noqa: SLF001
            stack.output_map = stack._create_output_map()  # noqa: SLF001
            service.create(self, stack)
        else:
            service.update(self, stack, change.template, change.parameters)
            stack.tags = change.tags or stack.tags
        done = stack.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE")
        change.execution_status = "EXECUTE_COMPLETE" if done else "EXECUTE_FAILED"

    def is_different(*_args: Any) -> None:
        """Refuse nothing: a change set may be the same, and of an update the handler says so."""

    models.CloudFormationBackend.create_stack = create_stack
    models.CloudFormationBackend.update_stack = update_stack
    models.CloudFormationBackend.execute_change_set = execute_change_set
    CloudFormationResponse._validate_different_update = is_different  # noqa: SLF001


def _find(backend: Any, name: str) -> Any:
    """Return a stack by name or ARN, or None."""
    return next((stack for stack in backend.stacks.values() if name in (stack.name, stack.stack_id)), None)


def _is_kept(params: Mapping[str, Any]) -> bool:
    """Say whether what failed stays as it is, instead of being undone."""
    disabled = params.get("DisableRollback") or params.get("DeploymentConfig", {}).get("DisableRollback")
    return bool(disabled) or "DO_NOTHING" in (params.get("OnFailure"), params.get("OnStackFailure"))


def _values(params: Mapping[str, Any]) -> dict[str, Any]:
    rows = params.get("Parameters") or ()
    return {row["ParameterKey"]: row["ParameterValue"] for row in rows if "ParameterValue" in row}


def _with_previous(params: dict[str, Any], stack: Any) -> dict[str, Any]:
    """Fill in the parameters that shall stay. What had its default keeps that: it isn't named."""
    if "Parameters" not in params:
        return params
    rows = []
    for row in params["Parameters"]:
        key = row["ParameterKey"]
        if not row.get("UsePreviousValue") or row.get("ParameterValue"):
            rows.append(row)
        elif stack is None or key not in stack.template_dict.get("Parameters", {}):
            message = f"Invalid input for parameter key {key}. Cannot specify usePreviousValue as true for a parameter"
            raise ServiceError("ValidationError", f"{message} key not in the previous template")
        elif key in stack.parameters:
            rows.append({"ParameterKey": key, "ParameterValue": stack.parameters[key]})
    return {**params, "Parameters": rows}


def _check_new_change_set(backend: Any, stack: Any, params: Mapping[str, Any]) -> None:
    """Refuse to create a stack that is there. One that only waits for its first change set gives way."""
    if params["ChangeSetType"] != "CREATE" or stack is None:
        return
    if stack.status != _REVIEW:
        of = f"Stack [{stack.name}] already exists and cannot be created again with the changeSet"
        raise ServiceError("ValidationError", f"{of} [{params['ChangeSetName']}].")
    del backend.stacks[stack.stack_id]
    for arn in [arn for arn, change in backend.change_sets.items() if change.stack is stack]:
        del backend.change_sets[arn]


def _exports(stack: Any) -> Iterable[Any]:
    from moto.cloudformation.parsing import Export, clean_json

    resources = stack.resource_map
    for name, output in (stack.output_map._output_json_map or {}).items():  # noqa: SLF001
        if output.get("Export") and stack.output_map[name] is not None:
            yield Export(stack.stack_id, clean_json(output["Export"]["Name"], resources), stack.output_map[name].value)


def _export(backend: Any, stack: Any, exports: Iterable[Any]) -> None:
    """Make these a stack's exports."""
    for name in [name for name, export in backend.exports.items() if export.exporting_stack_id == stack.stack_id]:
        del backend.exports[name]
    for export in exports:
        if export.name in backend.exports:
            why = f"Export with name {export.name} is already exported by another stack"
            raise ServiceError("ValidationError", why)
        backend.exports[export.name] = export
