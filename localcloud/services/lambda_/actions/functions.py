"""Functions and versions: create, read, update, publish, delete."""

from __future__ import annotations

import copy
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest, Response, ServiceError
from localcloud.services.lambda_ import pulls
from localcloud.services.lambda_.actions import configuration
from localcloud.services.lambda_.model import (
    LATEST,
    Code,
    Function,
    FunctionKey,
    Revision,
    check_reach,
    conflict,
    invalid,
    now,
    parse_name,
)
from localcloud.services.lambda_.service import LambdaService, function_configuration, paged
from localcloud.services.lambda_.tags import check_tags

_NAME_LENGTH = 64
_LATEST_STAYS = "$LATEST version cannot be deleted without deleting the function."


def install(service: LambdaService) -> None:
    """Register the actions."""
    action = service.cloud.action
    functions = Functions(service)
    action("lambda", "CreateFunction")(functions.create)
    action("lambda", "GetFunction")(functions.get)
    action("lambda", "GetFunctionConfiguration")(functions.get_configuration)
    action("lambda", "ListFunctions")(functions.list)
    action("lambda", "DeleteFunction")(functions.delete)
    action("lambda", "UpdateFunctionCode")(functions.update_code)
    action("lambda", "UpdateFunctionConfiguration")(functions.update_configuration)
    action("lambda", "PublishVersion")(functions.publish_version)
    action("lambda", "ListVersionsByFunction")(functions.list_versions)


class Functions:
    """The handlers."""

    def __init__(self, service: LambdaService) -> None:
        self.service = service
        self.store = service.store

    def create(self, request: AwsRequest) -> dict[str, Any]:
        """CreateFunction."""
        params = request.params
        key, qualifier = parse_name(params["FunctionName"], request.account, request.region)
        if qualifier:
            raise invalid("The function name must not carry a qualifier.")
        _check_new(key, request)
        check_tags(params.get("Tags") or {})
        settings = configuration.created(self.service.cloud, key, params)
        code = self.service.code.resolve(key, params.get("Code") or {}, settings["PackageType"])
        pulls.check(request, key, code)
        with self.store.lock:
            if key in self.store.functions:
                raise conflict(f"Function already exist: {key.name}")
            revision = Revision(LATEST, settings, code, now())
            self.service.begin(revision, created=True)
            function = Function(key, revision, revision, tags=dict(params.get("Tags") or {}))
            self.store.functions[key] = function
            self.service.prepare(function, revision)
            if params.get("Publish"):
                return function_configuration(function, self._publish(function, None), status=False)
            return function_configuration(function, revision, status=False)

    def get(self, request: AwsRequest) -> dict[str, Any]:
        """GetFunction."""
        with self.store.lock:
            function, qualifier = self.service.find(request)
            revision = function.resolve(qualifier)
            answer: dict[str, Any] = {
                "Configuration": function_configuration(function, revision, qualifier),
                "Code": _location(request, revision.code),
            }
            if function.tags:
                answer["Tags"] = dict(function.tags)
            if function.reserved is not None:
                answer["Concurrency"] = {"ReservedConcurrentExecutions": function.reserved}
            return answer

    def get_configuration(self, request: AwsRequest) -> dict[str, Any]:
        """GetFunctionConfiguration."""
        with self.store.lock:
            function, qualifier = self.service.find(request)
            return function_configuration(function, function.resolve(qualifier), qualifier)

    def list(self, request: AwsRequest) -> dict[str, Any]:
        """ListFunctions."""
        every_version = request.params.get("FunctionVersion") == "ALL"
        with self.store.lock:
            rows = []
            for key, function in sorted(self.store.functions.items(), key=lambda pair: pair[0].name):
                if (key.account, key.region) != (request.account, request.region):
                    continue
                self.service.settle(function)
                rows.append(
                    function_configuration(function, function.latest, LATEST if every_version else "", status=False)
                )
                if every_version:
                    rows += [
                        function_configuration(function, v, v.version, status=False) for v in function.versions.values()
                    ]
        return paged(request, "Functions", [_listed(row) for row in rows])

    def delete(self, request: AwsRequest) -> Response:
        """DeleteFunction, of the whole or of one version that no alias uses."""
        with self.store.lock:
            if str(request.params.get("Qualifier") or "") == LATEST:
                self._refuse_latest(request)
            function, qualifier = self.service.find(request)
            if not qualifier:
                del self.store.functions[function.key]
                for revision in (function.latest, function.serving, *function.versions.values()):
                    self.service.retire(revision.uid)
                return Response(204)
            if qualifier == LATEST:
                raise invalid(_LATEST_STAYS)
            if qualifier in function.aliases:
                raise invalid("Cannot delete function version by alias.")
            users = [a.name for a in function.aliases.values() if qualifier == a.version or qualifier in a.weights]
            if users:
                names = ", ".join(sorted(users))
                raise conflict(f"Unable to delete version because it is referenced by the following aliases: [{names}]")
            if qualifier in function.versions:  # deleting what isn't there succeeds
                self.service.retire(function.versions.pop(qualifier).uid)
            return Response(204)

    def _refuse_latest(self, request: AwsRequest) -> None:
        parse_name(request.params["FunctionName"], request.account, request.region, LATEST)  # refuses another one
        raise invalid(_LATEST_STAYS)

    def update_code(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateFunctionCode. With DryRun the answer has the CodeSha256 that would be."""
        params = request.params
        with self.store.lock:
            function, _ = self.service.find(request)
            before = function.latest
            self.service.check_ready(function)
            self.service.check_revision(function, params.get("RevisionId"))
        # resolving may take a while (S3, ECR): others may go on meanwhile, and one of two updates at once loses below
        code = self.service.code.resolve(function.key, params, before.settings["PackageType"])
        pulls.check(request, function.key, code)
        with self.store.lock:
            function, _ = self.service.find(request)
            if function.latest is not before:
                self.service.check_ready(function)
                self.service.check_revision(function, params.get("RevisionId"))
            settings = copy.deepcopy(function.latest.settings)
            if params.get("Architectures"):
                settings["Architectures"] = list(params["Architectures"])
            revision = Revision(LATEST, settings, code, now())
            if params.get("DryRun"):
                revision.state, revision.state_reason, revision.update = "Active", ("", ""), "Successful"
                revision.revision_id = function.latest.revision_id
                return function_configuration(function, revision)
            self.service.replace_latest(function, revision)
            if params.get("Publish"):
                published = self._publish(function, None)
                return function_configuration(function, published, published.version)
            return function_configuration(function, revision)

    def update_configuration(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateFunctionConfiguration."""
        params = request.params
        with self.store.lock:
            function, _ = self.service.find(request)
            self.service.check_ready(function)
            self.service.check_revision(function, params.get("RevisionId"))
            before = function.latest
            settings = configuration.changed(self.service.cloud, function.key, before.settings, params)
            revision = Revision(LATEST, settings, before.code, now())
            self.service.replace_latest(function, revision)
            return function_configuration(function, revision)

    def publish_version(self, request: AwsRequest) -> dict[str, Any]:
        """PublishVersion, guarded by CodeSha256 and RevisionId. With nothing changed, the version that is there."""
        params = request.params
        with self.store.lock:
            function, _ = self.service.find(request)
            self.service.check_ready(function)
            self.service.check_revision(function, params.get("RevisionId"))
            sha256 = params.get("CodeSha256")
            if sha256 and sha256 != function.latest.code.sha256:
                raise invalid(
                    f"CodeSHA256 ({sha256}) is different from current CodeSHA256 in $LATEST "
                    f"({function.latest.code.sha256}). Please try again with the CodeSHA256 in $LATEST."
                )
            published = self._publish(function, params.get("Description"))
            return function_configuration(function, published, published.version)

    def list_versions(self, request: AwsRequest) -> dict[str, Any]:
        """ListVersionsByFunction: `$LATEST` first, then in order."""
        with self.store.lock:
            function, _ = self.service.find(request)
            rows = [function_configuration(function, function.latest, LATEST, status=False)]
            versions = sorted(function.versions.values(), key=lambda v: int(v.version))
            rows += [function_configuration(function, v, v.version, status=False) for v in versions]
        return paged(request, "Versions", [_listed(row) for row in rows])

    def _publish(self, function: Function, description: str | None) -> Revision:
        latest, content = function.latest, function.latest.content()
        last = function.versions.get(str(function.last_version))
        if last is not None and function.contents.get(last.version) == content:
            return last
        function.last_version += 1
        version = str(function.last_version)
        revision = latest.frozen(version, description)
        self.service.begin(revision, created=True)
        revision.update, revision.update_reason = "", ("", "")
        if latest.state == "Active" and latest.update != "InProgress":  # recorded on AWS: what runs is Active at once
            revision.state, revision.state_reason, revision.due = latest.state, latest.state_reason, latest.due
            revision.update = "Successful"
        function.versions[version] = revision
        function.contents[version] = content
        latest.revision_id = str(uuid4())  # recorded on AWS: publishing a new version changes it, an equal one doesn't
        return revision


def _listed(row: dict[str, Any]) -> dict[str, Any]:
    """Leave out what lists don't show: the status, recorded on AWS."""
    hidden = ("State", "StateReason", "StateReasonCode", "RuntimeVersionConfig")
    return {name: value for name, value in row.items() if name not in hidden}


def _check_new(key: FunctionKey, request: AwsRequest) -> None:
    """Refuse a name that is too long, and a function of another region or account."""
    if len(key.name) > _NAME_LENGTH:
        raise invalid(
            f"1 validation error detected: Value '{key.name}' at 'functionName' failed to satisfy constraint: "
            f"Member must have length less than or equal to {_NAME_LENGTH}"
        )
    check_reach(key, request.region)
    if key.account != request.account:
        denied = ServiceError("AccessDeniedException", "", 403)
        denied.fields |= {"message": None, "Message": None}  # recorded on AWS: it says no more
        raise denied


def _location(request: AwsRequest, code: Code) -> dict[str, Any]:
    if code.digest:
        return {"RepositoryType": "ECR", "ImageUri": code.image_uri, "ResolvedImageUri": code.resolved_uri}
    return {"RepositoryType": "S3", "Location": f"{request.origin}/_stepladder/lambda/code/{code.zip_path}"}
