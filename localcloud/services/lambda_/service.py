"""What Lambda's actions share: the store, the code, the statuses that pass with time.

A function is Pending for a moment after it is made, an update InProgress for a moment: code that forgets a waiter
must fail here as it fails on AWS.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from localcloud.services.lambda_.code import CodeStore
from localcloud.services.lambda_.missing import no_function
from localcloud.services.lambda_.model import (
    LATEST,
    Function,
    FunctionKey,
    Revision,
    check_reach,
    conflict,
    monotonic,
    parse_name,
    stale,
)
from localcloud.services.lambda_.store import FunctionStore
from stepladder.core.names import partition_of

if TYPE_CHECKING:
    from localcloud.access.callers import Caller
    from localcloud.cloud import AwsRequest, Cloud

SETTLE_SECONDS = 0.06
_PAGE = 50
CREATING = ("Creating", "The function is being created.")


@dataclass
class LambdaService:
    """The Lambda service of one cloud. `settle_seconds` is how long Pending and InProgress last."""

    cloud: Cloud
    folder: Path
    store: FunctionStore = field(default_factory=FunctionStore)
    settle_seconds: float = SETTLE_SECONDS
    retire: Callable[[str], None] = lambda _uid: None  # gets the uid of a revision whose environments must end
    prepare: Callable[[Function, Revision], None] = lambda _function, _revision: None  # gets new code
    mapping_arns: Callable[[], Collection[str]] = lambda: ()  # returns the ARNs of all event source mappings
    mapping_tags: dict[str, dict[str, str]] = field(default_factory=dict)
    unsupported: Callable[[Function, Revision], str] = lambda _function, _revision: (
        ""
    )  # returns why code can never start on this machine

    def __post_init__(self) -> None:
        self.code = CodeStore(self.cloud, self.folder / "code")
        self.settle_seconds = float(os.environ.get("STEPLADDER_LAMBDA_SETTLE_SECONDS", self.settle_seconds))

    def find(self, request: AwsRequest, *, qualifier: str = "") -> tuple[Function, str]:
        """Return the function that a request names, and the qualifier. Hold the store's lock."""
        named = str(request.params.get("Qualifier") or qualifier)
        key, qualifier = parse_name(request.params["FunctionName"], request.account, request.region, named)
        check_reach(key, request.region)
        function = self.store.functions.get(key)
        if function is None:
            raise no_function(request.action, key, qualifier, request.params)
        self.settle(function)
        return function, qualifier

    def find_key(self, key: FunctionKey) -> Function:
        """Return a function by key, statuses up to date. Hold the store's lock."""
        function = self.store.get(key)
        self.settle(function)
        return function

    def settle(self, function: Function) -> None:
        """End the statuses whose time has come."""
        for revision in (function.latest, *function.versions.values()):
            if revision.due and monotonic() >= revision.due:
                self._settle(function, revision)

    def role_session(self, key: FunctionKey) -> Caller | None:
        """Return the session of a function's role in which Lambda polls, sends and writes for it; None without one."""
        with self.store.lock:
            function = self.store.functions.get(key)
            role = str(function.serving.settings.get("Role", "")) if function else ""
        return self.cloud.access.role_session(role, key.name) if role else None

    def restore(self, functions: dict[FunctionKey, Function]) -> None:
        """Take back saved functions: what was on its way when they were saved settles now."""
        for function in functions.values():
            for revision in (function.latest, *function.versions.values()):
                revision.due = monotonic() if revision.due else 0.0
        self.store.functions.update(functions)

    def begin(self, revision: Revision, *, created: bool) -> None:
        """Start the time of Pending (`created`) or InProgress."""
        if created:
            revision.state, revision.state_reason = "Pending", CREATING
        revision.update, revision.update_reason = "InProgress", CREATING
        revision.due = monotonic() + self.settle_seconds

    def _settle(self, function: Function, revision: Revision) -> None:
        revision.due, was = 0.0, revision.state
        failure, function.next_failure = (function.next_failure, None) if revision is function.latest else (None, None)
        code = revision.code
        if failure is None and code.digest and not self.code.image_exists(function.key, code):
            failure = ("ImageDeleted", f"The image {code.resolved_uri} was deleted.")
        if failure is None and code.digest and (why := self.unsupported(function, revision)):
            failure = ("InvalidImage", why)
        if failure is None:
            if revision.state == "Pending":
                revision.state, revision.state_reason = "Active", ("", "")
            revision.update, revision.update_reason = "Successful", ("", "")
            if revision is function.latest and function.serving is not revision:
                self.retire(function.serving.uid)
                function.serving = revision
        else:
            if revision.state == "Pending":
                revision.state, revision.state_reason = "Failed", failure
            revision.update, revision.update_reason = "Failed", failure
        if revision is function.latest or was == "Pending":  # recorded on AWS: of a version that was Pending too
            revision.revision_id = str(uuid4())

    def replace_latest(self, function: Function, revision: Revision) -> None:
        """Make `revision` the new `$LATEST`. What served goes on serving until the update has settled."""
        if revision.code != function.latest.code:
            self.prepare(function, revision)
        function.latest = revision
        revision.state, revision.state_reason = "Active", ("", "")
        self.begin(revision, created=False)

    def check_ready(self, function: Function) -> None:
        """Refuse changes while one is under way."""
        latest = function.latest
        if latest.state == "Pending":
            raise conflict(
                "The operation cannot be performed at this time. "
                "The function is currently in the following state: Pending"
            )
        if latest.update == "InProgress":
            raise conflict(
                "The operation cannot be performed at this time. "
                f"An update is in progress for resource: {function.key.arn}"
            )

    def check_revision(self, function: Function, revision_id: str | None) -> None:
        """Enforce the optimistic lock of `$LATEST`."""
        if revision_id and revision_id != function.latest.revision_id:
            raise stale()


def function_configuration(
    function: Function, revision: Revision, qualifier: str = "", *, status: bool = True
) -> dict[str, Any]:
    """Write a FunctionConfiguration as AWS does. `qualifier` is appended to the ARN, `status` adds LastUpdateStatus."""
    key, settings = function.key, copy.deepcopy(revision.settings)
    image_config = settings.pop("ImageConfig", None)
    answer: dict[str, Any] = {
        "FunctionName": key.name,
        "FunctionArn": f"{key.arn}:{qualifier}" if qualifier else key.arn,
        "Version": revision.version,
        "CodeSize": revision.code.size,
        "CodeSha256": revision.code.sha256,
        "LastModified": revision.modified,
        "RevisionId": revision.revision_id,
        "State": revision.state,
        **settings,
    }
    if revision.state_reason[0]:
        answer["StateReasonCode"], answer["StateReason"] = revision.state_reason
    if status and revision.update:
        answer["LastUpdateStatus"] = revision.update
        if revision.update_reason[0]:
            answer["LastUpdateStatusReasonCode"], answer["LastUpdateStatusReason"] = revision.update_reason
    if settings["PackageType"] == "Zip":
        answer["RuntimeVersionConfig"] = {"RuntimeVersionArn": runtime_arn(key, settings["Runtime"])}
    if image_config:
        answer["ImageConfigResponse"] = {"ImageConfig": image_config}
    if revision.version != LATEST and not qualifier:
        answer["FunctionArn"] = key.arn
    answer["SnapStart"] = {"ApplyOn": "None", "OptimizationStatus": "Off"}
    return answer


def runtime_arn(key: FunctionKey, runtime: str) -> str:
    """Return the ARN of a runtime version. The local cloud has one per runtime."""
    import hashlib

    return f"arn:{partition_of(key.region)}:lambda:{key.region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"


def paged(request: AwsRequest, member: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Cut a page out of rows. The marker is an offset."""
    start = int(request.params.get("Marker") or 0)
    size = int(request.params.get("MaxItems") or _PAGE)
    page: dict[str, Any] = {member: rows[start : start + size]}
    if start + size < len(rows):
        page["NextMarker"] = str(start + size)
    return page
