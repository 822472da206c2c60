"""A Lambda function and its versions: read, wait, update the code, publish, invoke. One facade, no policy."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.core.aws import error_code
from stepladder.core.clock import Clock, is_throttled, never_began, retrying
from stepladder.core.errors import StepladderError
from stepladder.core.release_facts import LATEST, NOT_FOUND, config_hash, frozen, read_answer

_THROTTLED = 60.0  # seconds that a call is made again while it is turned away


@dataclass(frozen=True)
class FunctionState:
    """A function ($LATEST) or one of its versions, as GetFunction shows it.

    `digest` is empty when Lambda doesn't name the image (GetFunctionConfiguration never does). `durable` says that its
    executions are checkpointed, and go on for days on the code of this version.
    """

    arn: str
    version: str
    state: str
    state_reason: str
    update: str
    update_reason: str
    revision: str
    code_sha256: str
    package_type: str
    architectures: tuple[str, ...]
    role: str
    description: str
    modified: str
    configuration: Mapping[str, Any]
    digest: str = ""
    image_uri: str = ""
    durable: bool = False

    @property
    def config_hash(self) -> str:
        """The hash of what a version freezes besides its image."""
        return config_hash(self.configuration)

    @property
    def settled(self) -> bool:
        """Whether no update and no creation is under way."""
        return self.update != "InProgress" and self.state != "Pending"


@dataclass(frozen=True)
class InvokeResponse:
    """What an invocation answered. `error` is the `errorType` of a failed one; `log` its last 4 KB."""

    result: Any
    error: str | None
    seconds: float
    log: str


class LambdaFunction:
    """One function. `client` is Lambda's; waits end after `timeout` seconds.

    `invoker` returns the client that invokes: one that sends a request once (`Aws.client(..., lasting=...)`).
    """

    def __init__(
        self,
        client: Any,
        name: str,
        *,
        clock: Clock | None = None,
        timeout: float = 300.0,
        invoker: Callable[[], Any] | None = None,
    ) -> None:
        self.client = client
        self.invoker = invoker or (lambda: client)
        self.name = name
        self.clock = clock or Clock()
        self.timeout = timeout

    def read(self, qualifier: str = LATEST) -> FunctionState | None:
        """Read the function or one version with its image; None when it isn't there."""
        try:
            answer = self._read(lambda: self.client.get_function(FunctionName=self.name, **_qualified(qualifier)))
        except Exception as error:
            if error_code(error) == NOT_FOUND:
                return None
            raise
        return _state(answer["Configuration"], answer.get("Code"))

    def _read(self, call: Callable[[], Any]) -> Any:
        """Make a call that reads, again while Lambda throttles."""
        return retrying(call, self.clock, timeout=_THROTTLED, passes=is_throttled)

    def wait_settled(self, seen: FunctionState | None = None) -> FunctionState:
        """Wait until no update of $LATEST is under way and return it as it is then, Failed or not.

        RevisionId and LastUpdateStatus change when an update ends, so a guard needs the state read here. Asks every
        0.07 s at first (botocore's waiter: 1 s). Raises `StepladderError` when the deadline passes.
        """
        state = seen
        for turn in self.clock.polls(self.timeout):
            if state is None or turn:
                state = _state(self._read(lambda: self.client.get_function_configuration(FunctionName=self.name)))
            if state.settled:
                return state
        raise StepladderError(
            f"{self.name} was still being updated after {self.timeout:.0f} s",
            kind="lambda-slow",
            hint=f"its LastUpdateStatus is {state.update if state else 'unknown'}; run the same command again to go on",
        )

    def wait_active(self, version: str) -> FunctionState:
        """Wait until a published version can be invoked and return it with its image.

        An Inactive one (unused for weeks, its image no longer kept ready) is woken by an invocation, whose own answer
        doesn't matter (https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html).
        """
        woken = False
        for _ in self.clock.polls(self.timeout):
            state = self.read(version)
            if state is None:
                raise StepladderError(
                    f"version {version} of {self.name} is gone", kind="function-gone", hint="run the same command again"
                )
            if state.state == "Active":
                return state
            if state.state == "Failed":
                raise StepladderError(
                    f"version {version} of {self.name} can't be started: {state.state_reason or 'no reason given'}",
                    kind="lambda-refused",
                    hint="the alias has not moved; fix the image (`function/Dockerfile`, its CMD, its imports)",
                )
            if state.state == "Inactive" and not woken:
                woken = True
                self._wake(version)
        raise StepladderError(
            f"version {version} of {self.name} was not ready after {self.timeout:.0f} s",
            kind="lambda-slow",
            hint="the alias has not moved; run the same command again to go on",
        )

    def _wake(self, version: str) -> None:
        try:
            self.invoker().invoke(FunctionName=self.name, Qualifier=version, Payload=b"{}")
        except Exception as error:
            if not error_code(error):
                raise

    def update_code(self, image_uri: str, revision: str) -> FunctionState:
        """Give $LATEST an image if it is still the revision that was read; returns at once, usually InProgress."""
        return _state(
            retrying(
                lambda: self.client.update_function_code(
                    FunctionName=self.name, ImageUri=image_uri, RevisionId=revision, Publish=False
                ),
                self.clock,
                timeout=self.timeout,
            )
        )

    def publish(self, *, code_sha256: str, revision: str, description: str) -> FunctionState:
        """Publish $LATEST if it is still that code and that revision.

        Lambda makes no version when nothing changed since the last one; that one comes back then
        (https://docs.aws.amazon.com/lambda/latest/api/API_PublishVersion.html).
        """
        return _state(
            retrying(
                lambda: self.client.publish_version(
                    FunctionName=self.name, CodeSha256=code_sha256, RevisionId=revision, Description=description
                ),
                self.clock,
                timeout=self.timeout,
            )
        )

    def invoke(self, payload: Any, qualifier: str = "") -> InvokeResponse:
        """Invoke synchronously and measure: result as data, error type, seconds, end of the log.

        The function runs once at most: only what was turned away before it ran (a throttle) is sent again.
        """
        return retrying(
            lambda: self.invoke_once(payload, qualifier), self.clock, timeout=_THROTTLED, passes=never_began
        )

    def invoke_once(self, payload: Any, qualifier: str = "") -> InvokeResponse:
        """Invoke as `invoke` does, and send the request once whatever it is answered."""
        call = {"FunctionName": self.name, "Payload": json.dumps(payload).encode(), "LogType": "Tail"}
        started = time.perf_counter()
        answer = self.invoker().invoke(**call, **_qualified(qualifier))
        body = answer["Payload"].read()
        seconds = time.perf_counter() - started
        result = read_answer(body)
        error = None
        if answer.get("FunctionError"):
            error = str(result.get("errorType", "")) if isinstance(result, dict) else ""
            error = error or str(answer["FunctionError"])
        log = base64.b64decode(answer.get("LogResult", "")).decode(errors="replace")
        return InvokeResponse(result, error, seconds, log)

    def versions(self) -> list[FunctionState]:
        """List the published versions, oldest first; their images aren't named."""
        states = []
        marker: dict[str, str] = {}
        while True:
            answer = self.client.list_versions_by_function(FunctionName=self.name, **marker)
            states += [_state(v) for v in answer["Versions"] if v["Version"] != LATEST]
            if not answer.get("NextMarker"):
                return sorted(states, key=lambda s: int(s.version))
            marker = {"Marker": answer["NextMarker"]}


def repository_of(image_uri: str) -> str:
    """Return the repository of an image URI: what stands before `@digest` or `:tag`."""
    before = image_uri.partition("@")[0]
    head, colon, tail = before.rpartition(":")
    return head if colon and "/" not in tail else before


def _qualified(qualifier: str) -> dict[str, str]:
    return {} if qualifier in ("", LATEST) else {"Qualifier": qualifier}


def _state(raw: Mapping[str, Any], code: Mapping[str, Any] | None = None) -> FunctionState:
    image_uri = (code or {}).get("ImageUri", "")
    resolved = (code or {}).get("ResolvedImageUri") or image_uri
    digest = resolved.rpartition("@")[2] if "@sha256:" in resolved else ""
    return FunctionState(
        arn=raw["FunctionArn"],
        version=raw.get("Version", LATEST),
        state=raw.get("State") or "Active",
        state_reason=_reason(raw, "StateReason"),
        update=raw.get("LastUpdateStatus") or "Successful",
        update_reason=_reason(raw, "LastUpdateStatusReason"),
        revision=raw.get("RevisionId") or "",
        code_sha256=raw.get("CodeSha256") or "",
        package_type=raw.get("PackageType") or "Zip",
        architectures=tuple(raw.get("Architectures") or ("x86_64",)),
        role=raw.get("Role", ""),
        description=raw.get("Description") or "",
        modified=raw.get("LastModified") or "",
        configuration=frozen(raw),
        digest=digest,
        image_uri=image_uri,
        durable=bool(raw.get("DurableConfig")),
    )


def _reason(raw: Mapping[str, Any], name: str) -> str:
    """Join a reason and its code: `the image is gone (ImageDeleted)`."""
    text, code = raw.get(name) or "", raw.get(f"{name}Code") or ""
    return f"{text} ({code})" if text and code else text or code
