"""Asynchronous invocation: an event queue with Lambda's retries, then a destination or the dead-letter queue.

https://docs.aws.amazon.com/lambda/latest/dg/invocation-async.html. Waits between attempts follow the cloud's clock.
"""

from __future__ import annotations

import contextlib
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from localcloud.deliveries import logged
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution import destinations
from localcloud.services.lambda_.execution.destinations import Destinations
from localcloud.services.lambda_.execution.engine import Invoked, Invoker
from localcloud.services.lambda_.model import LATEST, FunctionKey

_RETRIES = 2
_MAX_AGE = 21_600  # seconds
_WAITS = (60.0, 120.0)  # after a function error
_THROTTLED_WAIT = 1.0
_LONGEST_WAIT = 300.0
_WORKERS = 64


@dataclass(frozen=True)
class _Event:
    key: FunctionKey
    qualifier: str
    payload: bytes
    request_id: str


@dataclass
class _Attempts:
    """An event on its way: since when, how often the function ran, how that ended last, how long a throttle waits."""

    event: _Event
    began: float
    made: int = 0
    last: Invoked | None = None
    wait: float = _THROTTLED_WAIT


class EventQueue:
    """The event queue. Kept in memory: what waits when the cloud ends is lost."""

    def __init__(self, invoker: Invoker) -> None:
        self._invoker = invoker
        self._cloud = invoker.cloud
        self._workers = ThreadPoolExecutor(_WORKERS, thread_name_prefix="lambda-event")
        self._destinations = Destinations(invoker.service)
        self._stopped = threading.Event()

    def submit(self, key: FunctionKey, qualifier: str, payload: bytes) -> str:
        """Queue an event. Return its request id."""
        event = _Event(key, qualifier, payload, str(uuid4()))
        self._begin(_Attempts(event, self._cloud.clock.now()))
        return event.request_id

    def close(self) -> None:
        """Stop retrying."""
        self._stopped.set()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _begin(self, attempts: _Attempts) -> None:
        self._workers.submit(logged()(self._deliver), attempts)

    def _later(self, attempts: _Attempts, seconds: float) -> None:
        """Try again. Nothing waits meanwhile: events that fail hold up no others."""

        def again() -> None:
            if not self._stopped.is_set():
                with contextlib.suppress(RuntimeError):  # stopped just now
                    self._begin(attempts)

        self._cloud.clock.call_later(seconds, again)

    def _deliver(self, attempts: _Attempts) -> None:
        event = attempts.event
        config = self._config(event)
        retries = int(config.get("MaximumRetryAttempts", _RETRIES))
        deadline = attempts.began + float(config.get("MaximumEventAgeInSeconds", _MAX_AGE))
        try:
            done = self._invoker.invoke(event.key, event.qualifier, event.payload, request_id=event.request_id)
        except ServiceError as error:
            if error.code != "TooManyRequestsException" or self._cloud.clock.now() > deadline:
                self._failed(event, config, attempts.last, destinations.EVENT_AGE_EXCEEDED, attempts.made)
                return
            wait, attempts.wait = attempts.wait, min(attempts.wait * 2, _LONGEST_WAIT)
            self._later(attempts, wait)
            return
        attempts.made += 1
        if not done.outcome.error:
            self._succeeded(event, config, done, attempts.made)
            return
        pause = _WAITS[min(attempts.made, len(_WAITS)) - 1]
        if attempts.made > retries:
            self._failed(event, config, done, destinations.RETRIES_EXHAUSTED, attempts.made)
        elif self._cloud.clock.now() + pause > deadline:
            self._failed(event, config, done, destinations.EVENT_AGE_EXCEEDED, attempts.made)
        else:
            attempts.last = done
            self._later(attempts, pause)

    def _config(self, event: _Event) -> dict[str, Any]:
        with self._invoker.service.store.lock:
            function = self._invoker.service.store.functions.get(event.key)
            return dict(function.event_invoke.get(event.qualifier or LATEST, {})) if function else {}

    def _succeeded(self, event: _Event, config: dict[str, Any], done: Invoked, attempts: int) -> None:
        self._send(event, config, "OnSuccess", done, destinations.SUCCESS, attempts)

    def _failed(
        self, event: _Event, config: dict[str, Any], done: Invoked | None, condition: str, attempts: int
    ) -> None:
        self._send(event, config, "OnFailure", done, condition, attempts)
        with self._invoker.service.store.lock:
            function = self._invoker.service.store.functions.get(event.key)
            settings = function.serving.settings if function else {}
        if target := settings.get("DeadLetterConfig", {}).get("TargetArn"):
            message = _message(done.outcome.payload) if done else condition
            attributes = {"RequestID": event.request_id, "ErrorCode": "200", "ErrorMessage": str(message)[:1024]}
            self._destinations.send_dead_letter(event.key, target, event.payload.decode(errors="replace"), attributes)

    def _send(
        self, event: _Event, config: dict[str, Any], end: str, done: Invoked | None, condition: str, attempts: int
    ) -> None:
        """Send the record of an end that the configuration names a destination for."""
        arn = (config.get("DestinationConfig") or {}).get(end, {}).get("Destination")
        if not arn:
            return
        record = destinations.record(
            event.key,
            event.qualifier,
            event.request_id,
            event.payload,
            condition=condition,
            attempts=attempts,
            outcome=done.outcome if done else None,
            version=done.version if done else "",
        )
        self._destinations.send(event.key, event.qualifier, arn, record)


def _message(payload: bytes) -> str:
    """Return what a failure says. A runtime of the user's own may report any text as its error."""
    try:
        error = json.loads(payload)
    except ValueError:
        return payload.decode(errors="replace")
    return str(error.get("errorMessage", "") if isinstance(error, dict) else error)
