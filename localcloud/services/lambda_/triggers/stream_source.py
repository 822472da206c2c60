"""DynamoDB's streams as event sources: records go to a function in order, and a batch that fails holds up the rest.

https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html, and for errors
https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html. A stream is one shard here. Waits
between attempts follow the cloud's clock, the age of a record real time.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.authorization.model import AccessRequest
from localcloud.callers import ServiceCaller
from localcloud.deliveries import Delivery, deliver
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoked, Invoker
from localcloud.services.lambda_.model import invalid
from localcloud.services.lambda_.triggers import filters, stream_records
from localcloud.services.lambda_.triggers.source_mapping import SourceMapping, check_batch

_POLL_SECONDS = 0.2
_BATCH_MAX = 10_000
_READ_MAX = 1000
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 60.0
_POSITIONS = ("LATEST", "AT_TIMESTAMP", "TRIM_HORIZON")
_ENDLESS = -1
_READS = ("DescribeStream", "GetRecords", "GetShardIterator")
_THROTTLED = "TooManyRequestsException"


class StreamSource:
    """Reads streams. `positions` has for each mapping how many of the stream's records are behind it."""

    defaults: Mapping[str, Any] = {
        "BatchSize": 100,
        "BisectBatchOnFunctionError": False,
        "DestinationConfig": {"OnFailure": {}},
        "FunctionResponseTypes": [],
        "LastProcessingResult": "No records processed",
        "MaximumBatchingWindowInSeconds": 0,
        "MaximumRecordAgeInSeconds": _ENDLESS,
        "MaximumRetryAttempts": _ENDLESS,
        "ParallelizationFactor": 1,
        "StateTransitionReason": "User action",
        "TumblingWindowInSeconds": 0,
    }
    options: tuple[str, ...] = (
        *("BatchSize", "BisectBatchOnFunctionError", "DestinationConfig", "FunctionResponseTypes"),
        *("MaximumBatchingWindowInSeconds", "MaximumRecordAgeInSeconds", "MaximumRetryAttempts"),
        *("ParallelizationFactor", "StartingPosition", "TumblingWindowInSeconds"),
    )

    def __init__(self, invoker: Invoker) -> None:
        self.cloud = invoker.cloud
        self.invoker = invoker
        self.positions: dict[str, int] = {}

    def check(self, mapping: SourceMapping, _timeout: int) -> None:
        """Refuse a stream that isn't there, and options that AWS refuses. Set where reading begins."""
        config = mapping.config
        position = config.get("StartingPosition")
        if position is None:
            raise invalid(
                "1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: "
                "Member must not be null."
            )
        if position not in _POSITIONS:
            raise ServiceError(
                "ValidationException",
                f"1 validation error detected: Value '{position}' at 'startingPosition' failed to satisfy constraint: "
                f"Member must satisfy enum value set: [{', '.join(_POSITIONS)}]",
                400,
            )
        if position == "AT_TIMESTAMP":
            raise invalid(f"Unsupported starting position for arn type: {mapping.arn}")
        if config["TumblingWindowInSeconds"]:
            raise invalid("the local cloud offers no tumbling windows")
        check_batch(config, _BATCH_MAX)
        shard = _shard(mapping)
        if shard is None:
            raise invalid(f"Stream not found: {mapping.arn}")
        self._check_role(mapping)
        self.positions.setdefault(config["UUID"], len(shard.items) if position == "LATEST" else 0)

    def _check_role(self, mapping: SourceMapping) -> None:
        """Refuse a function whose role may not read the stream.

        https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html#events-dynamodb-permissions
        """
        caller = self.invoker.service.role_session(mapping.key)
        for action in _READS if caller else ():
            access = AccessRequest(f"dynamodb:{action}", mapping.arn)
            if caller and self.cloud.access.refusal(access, caller):
                raise invalid(
                    f"Cannot access stream {mapping.arn}. Please ensure the role can perform the GetRecords, "
                    "GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."
                )

    def conflict(self, mapping: SourceMapping) -> str:
        """Word that the stream is mapped already."""
        return f'The event source arn (" {mapping.arn} ") and function (" {mapping.key.name} ") provided mapping'

    def forget(self, mapping: SourceMapping) -> None:
        """Drop how far a mapping has read."""
        self.positions.pop(mapping.config["UUID"], None)

    def dump(self) -> dict[str, int]:
        """Return how far each mapping has read."""
        return dict(self.positions)

    def restore(self, saved: dict[str, int]) -> None:
        """Go on where reading ended."""
        self.positions.update(saved)

    def poll(self, mapping: SourceMapping, stopped: threading.Event) -> None:
        """Read batches, one after another."""
        wanted = filters.patterns(mapping.config)
        while not stopped.is_set():
            batch = self._gather(mapping, stopped)
            if not batch:
                stopped.wait(_POLL_SECONDS)
                continue
            end = self.positions.get(mapping.config["UUID"], 0) + len(batch)
            selected = [record for record in batch if not wanted or filters.selects(wanted, record)]
            if not selected or _StreamBatch(self, mapping, stopped).process(selected):
                self._advance(mapping, end)

    def _advance(self, mapping: SourceMapping, end: int) -> None:
        """Go on behind a batch. An update may have begun another thread, and a deletion ends the position."""
        identity = mapping.config["UUID"]
        if identity in self.positions:
            self.positions[identity] = max(self.positions[identity], end)

    def _gather(self, mapping: SourceMapping, stopped: threading.Event) -> list[dict[str, Any]]:
        """Return the next records: what is there, or what comes within the batching window."""
        config = mapping.config
        position, size = self.positions.get(config["UUID"], 0), int(config["BatchSize"])
        shard = _shard(mapping)
        if shard is None or len(shard.items) <= position:
            return []
        until = time.monotonic() + float(config["MaximumBatchingWindowInSeconds"])
        while len(shard.items) - position < size and time.monotonic() < until and not stopped.is_set():
            stopped.wait(_POLL_SECONDS)
        if stopped.is_set():
            return []
        return stream_records.records(shard.items[position : position + min(size, _READ_MAX)], mapping)


class _StreamBatch:
    """The attempts to get one batch through."""

    def __init__(self, source: StreamSource, mapping: SourceMapping, stopped: threading.Event) -> None:
        self._source = source
        self._mapping = mapping
        self._stopped = stopped

    def process(self, batch: list[dict[str, Any]]) -> bool:
        """Try until the batch is through or given up. Return False when the mapping was stopped meanwhile."""
        parts, config = [batch], self._mapping.config
        while parts:
            part, attempts, wait = parts.pop(0), 0, _FIRST_WAIT
            while part:
                if self._stopped.is_set():
                    return False
                part, done = self._young(part), None
                if not part:
                    break
                try:
                    done, rest = self._invoke(part)
                    attempts += 1
                except ServiceError as error:
                    config["LastProcessingResult"] = f"PROBLEM: {error.code}"
                    attempts, rest = attempts + (error.code != _THROTTLED), part
                if not rest:
                    break
                if self._is_given_up(attempts):
                    self._give_up(rest, "RetryAttemptsExhausted", attempts, done)
                    break
                if config["BisectBatchOnFunctionError"] and done and len(rest) > 1:
                    middle = (len(rest) + 1) // 2 if len(rest) == len(part) else len(rest)
                    part, attempts = rest[:middle], 0 if middle < len(rest) else attempts
                    parts[:0] = [rest[middle:]] if rest[middle:] else []
                else:
                    part = rest
                if not self._source.cloud.clock.sleep(wait, cancel=self._stopped):
                    return False
                wait = min(wait * 2, _LONGEST_WAIT)
        return True

    def _invoke(self, part: list[dict[str, Any]]) -> tuple[Invoked, list[dict[str, Any]]]:
        """Invoke the function. Return the outcome, and the records that it didn't get through."""
        mapping = self._mapping
        payload = json.dumps({"Records": part}).encode()
        done = self._source.invoker.invoke(mapping.key, mapping.qualifier, payload)
        mapping.config["LastProcessingResult"] = "PROBLEM: Function call failed" if done.outcome.error else "OK"
        if done.outcome.error:
            return done, part
        if "ReportBatchItemFailures" in mapping.config["FunctionResponseTypes"]:
            first = stream_records.first_failed(done.outcome.payload, part)
            if first is not None:
                return done, part[first:]
        return done, []

    def _young(self, part: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Give up the records that are too old. Return the others."""
        limit = int(self._mapping.config["MaximumRecordAgeInSeconds"])
        if limit == _ENDLESS:
            return part
        now = time.time()
        old = [record for record in part if stream_records.age(record, now) > limit]
        if old:
            self._give_up(old, "RecordAgeExceeded", 0, None)
        return part[len(old) :]

    def _is_given_up(self, attempts: int) -> bool:
        most = int(self._mapping.config["MaximumRetryAttempts"])
        return most != _ENDLESS and attempts > most

    def _give_up(self, part: list[dict[str, Any]], condition: str, attempts: int, done: Invoked | None) -> None:
        mapping = self._mapping
        on_failure = (mapping.config.get("DestinationConfig") or {}).get("OnFailure") or {}
        destination = str(on_failure.get("Destination") or "")
        if not destination:
            return
        shard = _shard(mapping)
        identity = shard.id if shard else ""
        record = stream_records.failure(mapping, identity, part, condition, attempts, done)
        function = self._source.invoker.service.store.functions.get(mapping.key)
        role = str(function.latest.settings.get("Role") or "") if function else ""
        caller = ServiceCaller("lambda.amazonaws.com", mapping.key.arn, mapping.key.account, role)
        try:
            if destination.split(":")[2] == "s3":
                self._keep(destination, identity, {**record, "payload": {"Records": part}})
            else:
                deliver(self._source.cloud, Delivery(caller, destination, json.dumps(record)))
        except ServiceError as error:
            sys.stdout.write(f"{mapping.key.name}: {destination} did not take a failed batch: {error}\n")

    def _keep(self, destination: str, shard: str, record: Mapping[str, Any]) -> None:
        """Write a failed batch into a bucket, under the key that Lambda gives it."""
        moment = datetime.now(UTC)
        day, second = moment.strftime("%Y/%m/%d"), moment.strftime("%Y-%m-%dT%H.%M.%S")
        name = f"aws/lambda/{self._mapping.config['UUID']}/{shard}/{day}/{second}-{uuid4()}"
        params = {"Bucket": destination.split(":")[5], "Key": name, "Body": json.dumps(record).encode()}
        self._source.cloud.call("s3", "PutObject", params, region=self._mapping.region, account=self._mapping.account)


def _shard(mapping: SourceMapping) -> Any:
    """Return Moto's shard of a stream, or None. Reading it through its API would keep an iterator for each look."""
    backends = getattr(sys.modules.get("moto.dynamodb.models"), "dynamodb_backends", None)
    if backends is None:
        return None
    _, name, _, label = mapping.resource.split("/", 3) if mapping.resource.count("/") > 2 else ("", "", "", "")  # noqa: PLR2004
    table = backends[mapping.account][mapping.region].tables.get(name)
    if table is None or table.latest_stream_label != label or not table.stream_specification.get("StreamEnabled"):
        return None
    return table.stream_shard
