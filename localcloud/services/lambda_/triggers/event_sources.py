"""Event source mappings: the actions, and a thread for each mapping that brings a source's records to a function."""

from __future__ import annotations

import threading
from typing import Any
from uuid import uuid4

from localcloud.cloud import AwsRequest
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.model import Function, FunctionKey, conflict, invalid, not_found, parse_name
from localcloud.services.lambda_.service import LambdaService, paged
from localcloud.services.lambda_.tags import check_tags
from localcloud.services.lambda_.triggers.queue_source import QueueSource
from localcloud.services.lambda_.triggers.source_mapping import Source, SourceMapping, change, keep_polling
from localcloud.services.lambda_.triggers.stream_source import StreamSource
from stepladder.core.names import partition_of

_Saved = list[tuple[FunctionKey, str, dict[str, Any]]]


class Sources:
    """The actions and the pollers."""

    def __init__(self, service: LambdaService, invoker: Invoker) -> None:
        self.service = service
        self.cloud = service.cloud
        self.streams = StreamSource(invoker)
        self.kinds: dict[str, Source] = {"sqs": QueueSource(invoker), "dynamodb": self.streams}
        self.mappings: dict[str, SourceMapping] = {}
        self.lock = service.store.lock

    def install(self) -> None:
        """Register the actions."""
        self.service.mapping_arns = lambda: [m.config["EventSourceMappingArn"] for m in self.mappings.values()]
        for verb in ("Create", "Get", "Update", "Delete"):
            self.cloud.action("lambda", f"{verb}EventSourceMapping")(getattr(self, verb.lower()))
        self.cloud.action("lambda", "ListEventSourceMappings")(self.list_all)

    def create(self, request: AwsRequest) -> dict[str, Any]:
        """CreateEventSourceMapping."""
        params = request.params
        arn = str(params.get("EventSourceArn") or "")
        source = self._kind(arn)
        if params.get("DestinationConfig") and "DestinationConfig" not in source.options:
            raise invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
        with self.lock:
            function, qualifier = self._function(request)
            timeout = int(function.latest.settings["Timeout"])
        identity = str(uuid4())
        config: dict[str, Any] = {
            "UUID": identity,
            **source.defaults,
            "EventSourceArn": arn,
            "FunctionArn": _target(function, qualifier),
            "EventSourceMappingArn": (
                f"arn:{partition_of(request.region)}:lambda:{request.region}:{request.account}"
                f":event-source-mapping:{identity}"
            ),
        }
        mapping = SourceMapping(function.key, qualifier, config)
        self._check_single(source, mapping)
        change(source, mapping, params)
        check_tags(params.get("Tags") or {})
        source.check(mapping, timeout)
        with self.lock:
            self.mappings[identity] = mapping
            self.service.mapping_tags[config["EventSourceMappingArn"]] = dict(params.get("Tags") or {})
        self._start(mapping)
        return {**config, "State": "Creating"}

    def get(self, request: AwsRequest) -> dict[str, Any]:
        """GetEventSourceMapping."""
        with self.lock:
            return dict(self._find(request).config)

    def update(self, request: AwsRequest) -> dict[str, Any]:
        """UpdateEventSourceMapping: what it leaves out stays as it is."""
        params = request.params
        with self.lock:
            mapping = self._find(request)
            source = self._kind(mapping.arn)
            changed = SourceMapping(mapping.key, mapping.qualifier, dict(mapping.config))
            if params.get("FunctionName"):
                function, changed.qualifier = self._function(request)
                changed.key = function.key
                changed.config["FunctionArn"] = _target(function, changed.qualifier)
            change(source, changed, params)
            timeout = int(self.service.store.get(changed.key).latest.settings["Timeout"])
        source.check(changed, timeout)
        with self.lock:
            was = mapping.config["State"]
            mapping.stopped.set()
            mapping.key, mapping.qualifier, mapping.stopped = changed.key, changed.qualifier, threading.Event()
            mapping.config.clear()
            mapping.config.update(changed.config)
        self._start(mapping)
        passing = {"Enabled": "Enabling", "Disabled": "Disabling"}[mapping.config["State"]]
        return {**mapping.config, "State": "Updating" if was == mapping.config["State"] else passing}

    def delete(self, request: AwsRequest) -> dict[str, Any]:
        """DeleteEventSourceMapping."""
        with self.lock:
            mapping = self._find(request)
            del self.mappings[mapping.config["UUID"]]
            mapping.stopped.set()
        self._kind(mapping.arn).forget(mapping)
        return {**mapping.config, "State": "Deleting"}

    def list_all(self, request: AwsRequest) -> dict[str, Any]:
        """ListEventSourceMappings, of a function or of a source."""
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

    def dump(self) -> _Saved:
        """Return what is to be saved."""
        with self.lock:
            return [(m.key, m.qualifier, dict(m.config)) for m in self.mappings.values()]

    def restore(self, saved: _Saved) -> None:
        """Take back what `dump` returned. Polling begins with `start`."""
        for key, qualifier, config in saved:
            self.mappings[config["UUID"]] = SourceMapping(key, qualifier, config)

    def start(self) -> None:
        """Poll for every mapping that was saved: all services have their state back."""
        for mapping in list(self.mappings.values()):
            self._start(mapping)

    def close(self) -> None:
        """Stop polling."""
        with self.lock:
            for mapping in self.mappings.values():
                mapping.stopped.set()

    def _kind(self, arn: str) -> Source:
        if not arn:
            raise invalid("Unrecognized event source.")
        service = arn.split(":")[2:3]
        if not service or service[0] not in self.kinds:
            raise invalid(f"the local cloud polls {' and '.join(self.kinds)} only, not {arn}")
        return self.kinds[service[0]]

    def _function(self, request: AwsRequest) -> tuple[Function, str]:
        try:
            function, qualifier = self.service.find(request)
            function.resolve(qualifier)
        except ServiceError as error:
            if error.code == "ResourceNotFoundException":
                raise invalid("Function does not exist") from None
            raise
        return function, qualifier

    def _check_single(self, source: Source, mapping: SourceMapping) -> None:
        with self.lock:
            for other in self.mappings.values():
                if (other.arn, other.config["FunctionArn"]) == (mapping.arn, mapping.config["FunctionArn"]):
                    raise conflict(
                        f"{source.conflict(mapping)} already exists. Please update or delete the existing mapping "
                        f"with UUID {other.config['UUID']}"
                    )

    def _find(self, request: AwsRequest) -> SourceMapping:
        try:
            return self.mappings[str(request.params["UUID"])]
        except KeyError:
            raise not_found("The resource you requested does not exist.") from None

    def _start(self, mapping: SourceMapping) -> None:
        if mapping.config["State"] == "Enabled":
            threading.Thread(
                target=keep_polling,
                args=(self._kind(mapping.arn), mapping, mapping.stopped),
                daemon=True,
                name=f"source-{mapping.config['UUID'][:8]}",
            ).start()


def _target(function: Function, qualifier: str) -> str:
    return f"{function.key.arn}:{qualifier}" if qualifier else function.key.arn
