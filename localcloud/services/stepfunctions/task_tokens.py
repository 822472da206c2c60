"""The actions by which a task that waits for its token goes on."""

from __future__ import annotations

import json
from typing import Any

from localcloud.cloud import AwsRequest, Cloud, ServiceError, handles
from localcloud.services.stepfunctions.asl.errors import StateError
from localcloud.services.stepfunctions.asl.states import is_token
from localcloud.services.stepfunctions.tasks import Callback, Tasks


class TaskTokens:
    """The handlers."""

    def __init__(self, cloud: Cloud, tasks: Tasks) -> None:
        self._cloud = cloud
        self._tasks = tasks
        cloud.register("stepfunctions", self)

    def _callback(self, request: AwsRequest) -> Callback:
        token = request.params["taskToken"]
        if not is_token(token):
            raise ServiceError("InvalidToken", "Invalid Token: 'Invalid token'")
        callback = self._tasks.callbacks.get(token)
        if callback is None or callback.ended.is_set():
            raise ServiceError("TaskTimedOut", "Task Timed Out: 'Provided task does not exist anymore'")
        return callback

    @handles
    def send_task_success(self, request: AwsRequest) -> dict[str, Any]:
        """Let a waiting task succeed."""
        callback = self._callback(request)
        try:
            callback.outcome = json.loads(request.params["output"])
        except ValueError as error:
            raise ServiceError("InvalidOutput", f"Invalid Output: {error}") from error
        callback.ended.set()
        return {}

    @handles
    def send_task_failure(self, request: AwsRequest) -> dict[str, Any]:
        """Let a waiting task fail."""
        callback = self._callback(request)
        callback.error = StateError(request.params.get("error", ""), request.params.get("cause", ""))
        callback.ended.set()
        return {}

    @handles
    def send_task_heartbeat(self, request: AwsRequest) -> dict[str, Any]:
        """Say that a waiting task is alive."""
        self._callback(request).beat = self._cloud.clock.now()
        return {}
