"""Event source mappings: a poller per mapping that brings a queue's messages to a function.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html. A batch that the function took is deleted. What it
didn't take becomes visible again after the queue's visibility timeout.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.model import FunctionKey, conflict, invalid, not_found, parse_name
from localcloud.services.lambda_.service import LambdaService, paged
from localcloud.services.lambda_.tags import check_tags
from localcloud.services.lambda_.triggers.sqs_records import failures, record
from stepladder.core.names import partition_of

_POLL_SECONDS = 0.1
_RECEIVE_MAX = 10
_WORKERS = 5  # invocations of one mapping at once, unless ScalingConfig says otherwise
_OPTIONS = ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig")


@dataclass
class SourceMapping:
    """One mapping: `config` as AWS answers it."""

    key: FunctionKey
    qualifier: str
    config: dict[str, Any]
    stopped: threading.Event = field(default_factory=threading.Event)
    handles: dict[str, str] = field(default_factory=dict)  # message id -> the receipt handle that it came with last

    @property
    def queue(self) -> tuple[str, str, str]:
        """Region, account and name of the queue."""
        parts = str(self.config["EventSourceArn"]).split(":")
        return parts[3], parts[4], parts[5]


class Sources:
    """The actions and the pollers."""

    def __init__(self, service: LambdaService, invoker: Invoker) -> None:
        self.service = service
        self.cloud = service.cloud
        self.invoker = invoker
        self.mappings: dict[str, SourceMapping] = {}
        self.lock = service.store.lock

    def install(self) -> None:
        """Register the actions."""
        self.service.mapping_arns = lambda: [m.config["EventSourceMappingArn"] for m in self.mappings.values()]
        for verb in ("Create", "Get", "Update", "Delete"):
            self.cloud.action("lambda", f"{verb}EventSourceMapping")(getattr(self, verb.lower()))
        self.cloud.action("lambda", "ListEventSourceMappings")(self.list_all)

    def create(self, request: AwsRequest) -> dict[str, Any]:
        """CreateEventSourceMapping, of a queue."""
        params = request.params
        arn = str(params.get("EventSourceArn") or "")
        if not arn:
            raise invalid("Unrecognized event source.")
        if arn.split(":")[2:3] != ["sqs"]:
            raise invalid("the local cloud polls SQS queues only")
        if params.get("DestinationConfig"):
            raise invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
        if params.get("FilterCriteria"):
            raise invalid("the local cloud applies no FilterCriteria")
        with self.lock:
            try:
                function, qualifier = self.service.find(request)
                function.resolve(qualifier)
            except ServiceError as error:
                if error.code == "ResourceNotFoundException":
                    raise invalid("Function does not exist") from None
                raise
            target = f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
            for other in self.mappings.values():
                if (other.config["EventSourceArn"], other.config["FunctionArn"]) == (arn, target):
                    raise conflict(
                        f'An event source mapping with SQS arn (" {arn} ") and function (" {function.key.name} ") '
                        f"already exists. Please update or delete the existing mapping with UUID {other.config['UUID']}"
                    )
            timeout = int(function.latest.settings["Timeout"])
        config: dict[str, Any] = {
            "UUID": str(uuid4()),
            "BatchSize": 10,
            "MaximumBatchingWindowInSeconds": 0,
            "EventSourceArn": arn,
            "FunctionArn": target,
            "FunctionResponseTypes": [],
            "StateTransitionReason": "USER_INITIATED",
        }
        config["EventSourceMappingArn"] = (
            f"arn:{partition_of(request.region)}:lambda:{request.region}:{request.account}:event-source-mapping:{config['UUID']}"
        )
        mapping = SourceMapping(function.key, qualifier, config)
        self._check_queue(mapping, timeout)
        self._change(mapping, params)
        check_tags(params.get("Tags") or {})
        with self.lock:
            self.mappings[config["UUID"]] = mapping
            self.service.mapping_tags[config["EventSourceMappingArn"]] = dict(params.get("Tags") or {})
        self._start(mapping)
        return {**config, "State": "Creating"}

    def get(self, request: AwsRequest) -> dict[str, Any]:
        """GetEventSourceMapping."""
        with self.lock:
            return dict(self._find(request).config)

    def update(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateEventSourceMapping."""
        with self.lock:
            mapping = self._find(request)
            if request.params.get("FunctionName"):
                function, qualifier = self.service.find(request)
                function.resolve(qualifier)
                mapping.key, mapping.qualifier = function.key, qualifier
                mapping.config["FunctionArn"] = f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
            self._change(mapping, request.params)
            mapping.stopped.set()
            mapping.stopped = threading.Event()
        self._start(mapping)
        return {**mapping.config, "State": "Updating"}

    def delete(self, request: AwsRequest) -> dict[str, Any]:
        """DeleteEventSourceMapping."""
        with self.lock:
            mapping = self._find(request)
            del self.mappings[mapping.config["UUID"]]
            mapping.stopped.set()
            return {**mapping.config, "State": "Deleting"}

    def list_all(self, request: AwsRequest) -> dict[str, Any]:
        """ListEventSourceMappings, of a function or of a queue."""
        params = request.params
        with self.lock:
            rows = [dict(m.config) for m in self.mappings.values()]
        if params.get("EventSourceArn"):
            rows = [row for row in rows if row["EventSourceArn"] == params["EventSourceArn"]]
        if params.get("FunctionName"):
            key, qualifier = parse_name(str(params["FunctionName"]), request.account, request.region)
            arn = f"{key.arn}:{qualifier}" if qualifier else key.arn
            rows = [row for row in rows if row["FunctionArn"] == arn]
        return paged(request, "EventSourceMappings", rows)

    def dump(self) -> list[tuple[FunctionKey, str, dict[str, Any]]]:
        """Return what is to be saved."""
        with self.lock:
            return [(m.key, m.qualifier, dict(m.config)) for m in self.mappings.values()]

    def restore(self, saved: list[tuple[FunctionKey, str, dict[str, Any]]]) -> None:
        """Take back what `dump` returned and poll again."""
        for key, qualifier, config in saved:
            mapping = SourceMapping(key, qualifier, config)
            self.mappings[config["UUID"]] = mapping
            self._start(mapping)

    def close(self) -> None:
        """Stop polling."""
        with self.lock:
            for mapping in self.mappings.values():
                mapping.stopped.set()

    def _find(self, request: AwsRequest) -> SourceMapping:
        try:
            return self.mappings[str(request.params["UUID"])]
        except KeyError:
            raise not_found("The resource you requested does not exist.") from None

    def _change(self, mapping: SourceMapping, params: Mapping[str, Any]) -> None:
        config = mapping.config
        config.update({name: params[name] for name in _OPTIONS if params.get(name) is not None})
        if config["BatchSize"] > _RECEIVE_MAX and not config["MaximumBatchingWindowInSeconds"]:
            raise invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
        if params.get("Enabled") is not None:
            config["State"] = "Enabled" if params["Enabled"] else "Disabled"
        config.setdefault("State", "Enabled")
        config["LastModified"] = datetime.now(UTC)

    def _check_queue(self, mapping: SourceMapping, timeout: int) -> None:
        try:
            visible = self._visibility(mapping)
        except ServiceError as error:
            raise invalid(
                f"Error occurred while ReceiveMessage. SQS Error Code: {error.code}. SQS Error Message: {error.message}"
            ) from None
        if visible < timeout:
            raise invalid(
                f"Queue visibility timeout: {visible} seconds is less than Function timeout: {timeout} seconds"
            )

    def _start(self, mapping: SourceMapping) -> None:
        if mapping.config["State"] == "Enabled":
            name = f"queue-{mapping.config['UUID'][:8]}"
            threading.Thread(target=self._poll, args=(mapping, mapping.stopped), daemon=True, name=name).start()

    def _poll(self, mapping: SourceMapping, stopped: threading.Event) -> None:
        most = int((mapping.config.get("ScalingConfig") or {}).get("MaximumConcurrency") or _WORKERS)
        free = threading.Semaphore(most)
        with ThreadPoolExecutor(most, thread_name_prefix=f"batch-{mapping.config['UUID'][:8]}") as workers:
            while not stopped.is_set():
                free.acquire()
                batch = self._receive(mapping, stopped)
                if not batch:
                    free.release()
                    stopped.wait(_POLL_SECONDS)
                    continue
                workers.submit(self._deliver, mapping, batch).add_done_callback(lambda _: free.release())

    def _receive(self, mapping: SourceMapping, stopped: threading.Event) -> list[dict[str, Any]]:
        """Gather a batch: what is there, or what comes within the batching window."""
        config = mapping.config
        batch: list[dict[str, Any]] = []
        until = 0.0
        while len(batch) < config["BatchSize"] and not stopped.is_set():
            params = {
                "MaxNumberOfMessages": min(_RECEIVE_MAX, config["BatchSize"] - len(batch)),
                "AttributeNames": ["All"],
                "MessageAttributeNames": ["All"],
                "WaitTimeSeconds": 0,
            }
            try:
                url = self._queue_url(mapping)
                messages = self._sqs(mapping, "ReceiveMessage", {"QueueUrl": url, **params}).get("Messages") or []
            except ServiceError:
                return batch  # the queue is gone; it may come back
            batch += messages
            mapping.handles.update({message["MessageId"]: message["ReceiptHandle"] for message in messages})
            if batch and not until:
                until = time.monotonic() + config["MaximumBatchingWindowInSeconds"]
            if time.monotonic() >= until and not messages:
                break
            if not messages:
                stopped.wait(_POLL_SECONDS)
            elif not config["MaximumBatchingWindowInSeconds"]:
                break
        return batch

    def _deliver(self, mapping: SourceMapping, batch: list[dict[str, Any]]) -> None:
        region, _, _ = mapping.queue
        received = self.cloud.clock.now()
        records = [record(message, mapping.config["EventSourceArn"], region) for message in batch]
        try:
            done = self.invoker.invoke(mapping.key, mapping.qualifier, json.dumps({"Records": records}).encode())
        except ServiceError as error:
            mapping.config["LastProcessingResult"] = f"PROBLEM: {error.code}"
            self._return_in_time(mapping, batch, received)
            return
        failed = {m["MessageId"] for m in batch} if done.outcome.error else set()
        if not failed and "ReportBatchItemFailures" in (mapping.config.get("FunctionResponseTypes") or ()):
            failed = failures(done.outcome.payload, {m["MessageId"] for m in batch})
        mapping.config["LastProcessingResult"] = "PROBLEM: Function call failed" if done.outcome.error else "OK"
        processed = [m for m in batch if m["MessageId"] not in failed]
        self._return_in_time(mapping, [m for m in batch if m["MessageId"] in failed], received)
        for message in processed:
            mapping.handles.pop(message["MessageId"], None)
        for start in range(0, len(processed), _RECEIVE_MAX):
            part = processed[start : start + _RECEIVE_MAX]
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(part)]
            try:
                self._sqs(mapping, "DeleteMessageBatch", {"QueueUrl": self._queue_url(mapping), "Entries": entries})
            except ServiceError:
                return  # the queue was deleted meanwhile

    def _return_in_time(self, mapping: SourceMapping, failed: list[dict[str, Any]], received: float) -> None:
        """Let messages come back when their visibility timeout has passed by the cloud's clock.

        Moto counts in real time, so that a message isn't given out twice while a function works on it, in real time.
        """
        if not failed or self.cloud.clock.speed <= 1:
            return
        with contextlib.suppress(ServiceError):  # the queue was deleted meanwhile
            seconds = received + self._visibility(mapping) - self.cloud.clock.now()
            self.cloud.clock.call_later(max(0.0, seconds), lambda: self._return(mapping, failed))

    def _return(self, mapping: SourceMapping, failed: list[dict[str, Any]]) -> None:
        for message in failed:
            handle = message["ReceiptHandle"]
            if mapping.handles.get(message["MessageId"]) == handle:  # else it came back by itself
                del mapping.handles[message["MessageId"]]
                with contextlib.suppress(ServiceError):
                    params = {"QueueUrl": self._queue_url(mapping), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    self._sqs(mapping, "ChangeMessageVisibility", params)

    def _visibility(self, mapping: SourceMapping) -> int:
        params = {"QueueUrl": self._queue_url(mapping), "AttributeNames": ["VisibilityTimeout"]}
        return int(self._sqs(mapping, "GetQueueAttributes", params)["Attributes"]["VisibilityTimeout"])

    def _queue_url(self, mapping: SourceMapping) -> str:
        return str(self._sqs(mapping, "GetQueueUrl", {"QueueName": mapping.queue[2]})["QueueUrl"])

    def _sqs(self, mapping: SourceMapping, action: str, params: dict[str, Any]) -> dict[str, Any]:
        region, account, _ = mapping.queue
        return self.cloud.call("sqs", action, params, region=region, account=account)
