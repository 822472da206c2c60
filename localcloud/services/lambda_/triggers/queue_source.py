"""Queues as event sources: batches of messages go to a function.

https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html. A batch that the function took is deleted. What it
didn't take becomes visible again after the queue's visibility timeout. What no filter selects is deleted unseen.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from localcloud.deliveries import logged
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.model import invalid
from localcloud.services.lambda_.triggers import filters
from localcloud.services.lambda_.triggers.source_mapping import SourceMapping, check_batch
from localcloud.services.lambda_.triggers.sqs_records import failures, record

_POLL_SECONDS = 0.1
_RECEIVE_MAX = 10
_BATCH_MAX = 10_000
_WORKERS = 5  # invocations of one mapping at once, unless ScalingConfig says otherwise


class QueueSource:
    """Polls SQS."""

    defaults: Mapping[str, Any] = {
        "BatchSize": 10,
        "MaximumBatchingWindowInSeconds": 0,
        "FunctionResponseTypes": [],
        "StateTransitionReason": "USER_INITIATED",
    }
    options: tuple[str, ...] = ("BatchSize", "MaximumBatchingWindowInSeconds", "FunctionResponseTypes", "ScalingConfig")

    def __init__(self, invoker: Invoker) -> None:
        self.cloud = invoker.cloud
        self.invoker = invoker
        self._handles: dict[str, str] = {}  # message id -> the receipt handle that it came with last

    def check(self, mapping: SourceMapping, timeout: int) -> None:
        """Refuse a queue that can't be read, or that gives messages out again while the function works on them."""
        config = mapping.config
        if config["BatchSize"] > _RECEIVE_MAX and not config["MaximumBatchingWindowInSeconds"]:
            raise invalid(
                "Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10"
            )
        fifo = mapping.resource.endswith(".fifo")
        if fifo and config["MaximumBatchingWindowInSeconds"]:
            raise invalid("Batching window is not supported for FIFO queues")
        check_batch(config, _RECEIVE_MAX if fifo else _BATCH_MAX)
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

    def conflict(self, mapping: SourceMapping) -> str:
        """Word that the queue is mapped already."""
        return f'An event source mapping with SQS arn (" {mapping.arn} ") and function (" {mapping.key.name} ")'

    def forget(self, mapping: SourceMapping) -> None:
        """Nothing is kept of a mapping."""

    def poll(self, mapping: SourceMapping, stopped: threading.Event) -> None:
        """Receive batches, and deliver several at once."""
        most = int((mapping.config.get("ScalingConfig") or {}).get("MaximumConcurrency") or _WORKERS)
        wanted = filters.patterns(mapping.config)
        free = threading.Semaphore(most)
        with ThreadPoolExecutor(most, thread_name_prefix=f"batch-{mapping.config['UUID'][:8]}") as workers:
            while not stopped.is_set():
                if not self._holds_messages(mapping):
                    stopped.wait(_POLL_SECONDS)
                    continue
                free.acquire()
                batch = self._receive(mapping, wanted, stopped)
                if not batch:
                    free.release()
                    stopped.wait(_POLL_SECONDS)
                    continue
                workers.submit(logged()(self._deliver), mapping, batch).add_done_callback(lambda _: free.release())

    def _holds_messages(self, mapping: SourceMapping) -> bool:
        """Say whether a queue has messages at all, hidden ones too: asking for them ten times a second is costly."""
        backends = getattr(sys.modules.get("moto.sqs.models"), "sqs_backends", None)
        if backends is None:
            return False
        queue = backends[mapping.account][mapping.region].queues.get(mapping.resource)
        return queue is not None and bool(queue._messages)  # noqa: SLF001 - Moto's counts are slow

    def _receive(
        self, mapping: SourceMapping, wanted: list[dict[str, Any]], stopped: threading.Event
    ) -> list[dict[str, Any]]:
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
                self._handles.update({message["MessageId"]: message["ReceiptHandle"] for message in messages})
                batch += self._selected(mapping, wanted, messages)
            except ServiceError:
                return batch  # the queue is gone; it may come back
            if batch and not until:
                until = time.monotonic() + config["MaximumBatchingWindowInSeconds"]
            if time.monotonic() >= until and not messages:
                break
            if not messages:
                stopped.wait(_POLL_SECONDS)
            elif not config["MaximumBatchingWindowInSeconds"]:
                break
        return batch

    def _selected(
        self, mapping: SourceMapping, wanted: list[dict[str, Any]], messages: list[dict[str, Any]]
    ) -> list[dict[str, Any]]:
        """Return the messages that a filter selects, and delete the others."""
        if not wanted:
            return messages
        selected = [m for m in messages if filters.selects(wanted, record(m, mapping.arn, mapping.region))]
        self._delete(mapping, [message for message in messages if message not in selected])
        return selected

    def _deliver(self, mapping: SourceMapping, batch: list[dict[str, Any]]) -> None:
        received = self.cloud.clock.now()
        records = [record(message, mapping.arn, mapping.region) for message in batch]
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
        self._return_in_time(mapping, [m for m in batch if m["MessageId"] in failed], received)
        with contextlib.suppress(ServiceError):  # the queue was deleted meanwhile
            self._delete(mapping, [m for m in batch if m["MessageId"] not in failed])

    def _delete(self, mapping: SourceMapping, processed: list[dict[str, Any]]) -> None:
        for message in processed:
            self._handles.pop(message["MessageId"], None)
        for start in range(0, len(processed), _RECEIVE_MAX):
            part = processed[start : start + _RECEIVE_MAX]
            entries = [{"Id": str(i), "ReceiptHandle": m["ReceiptHandle"]} for i, m in enumerate(part)]
            self._sqs(mapping, "DeleteMessageBatch", {"QueueUrl": self._queue_url(mapping), "Entries": entries})

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
            if self._handles.get(message["MessageId"]) == handle:  # else it came back by itself
                del self._handles[message["MessageId"]]
                with contextlib.suppress(ServiceError):
                    params = {"QueueUrl": self._queue_url(mapping), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                    self._sqs(mapping, "ChangeMessageVisibility", params)

    def _visibility(self, mapping: SourceMapping) -> int:
        params = {"QueueUrl": self._queue_url(mapping), "AttributeNames": ["VisibilityTimeout"]}
        return int(self._sqs(mapping, "GetQueueAttributes", params)["Attributes"]["VisibilityTimeout"])

    def _queue_url(self, mapping: SourceMapping) -> str:
        return str(self._sqs(mapping, "GetQueueUrl", {"QueueName": mapping.resource})["QueueUrl"])

    def _sqs(self, mapping: SourceMapping, action: str, params: dict[str, Any]) -> dict[str, Any]:
        # what Lambda needs: https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
        needs_permission = action not in ("GetQueueUrl", "ChangeMessageVisibility")
        caller = self.invoker.service.role_session(mapping.key) if needs_permission else None
        return self.cloud.call_as(caller, "sqs", action, params, region=mapping.region, account=mapping.account)
