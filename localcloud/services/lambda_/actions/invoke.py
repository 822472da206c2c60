"""The Invoke action: synchronous, asynchronous (Event) and DryRun."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from uuid import uuid4

from localcloud.cloud import AwsRequest, Response
from localcloud.launchers.runtime_api import REQUEST_LIMIT
from localcloud.protocol import event_stream
from localcloud.protocol.codec import ServiceError
from localcloud.services.lambda_.execution.engine import Invoker
from localcloud.services.lambda_.execution.event_queue import EventQueue
from localcloud.services.lambda_.execution.streams import ResponseStream
from localcloud.services.lambda_.model import check_reach, parse_name

_ASYNC_LIMIT = 1_048_576  # bytes: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html


def install(invoker: Invoker, asynchronous: EventQueue) -> None:
    """Register the actions."""

    @invoker.cloud.action("lambda", "Invoke")
    def invoke(request: AwsRequest) -> Response:
        headers = request.headers
        qualifier = request.query.get("Qualifier") or str(request.params.get("Qualifier") or "")
        key, qualifier = parse_name(request.params["FunctionName"], request.account, request.region, qualifier)
        check_reach(key, request.region)
        kind = headers.get("x-amz-invocation-type", "RequestResponse")
        payload = request.body
        _check(payload, _ASYNC_LIMIT if kind == "Event" else REQUEST_LIMIT, kind)
        if kind == "DryRun":
            invoker.target(key, qualifier)
            return Response(204, {"x-amzn-RequestId": str(uuid4())})
        if kind == "Event":
            target = invoker.target(key, qualifier)
            request_id = asynchronous.submit(key, qualifier, payload)
            return Response(202, {"x-amzn-RequestId": request_id, "X-Amz-Executed-Version": target.revision.version})
        done = invoker.invoke(
            key,
            qualifier,
            payload,
            client_context=_context(headers.get("x-amz-client-context", "")),
            trace_id=headers.get("x-amzn-trace-id", ""),
        )
        answer = {
            "Content-Type": "application/json",
            "x-amzn-RequestId": done.request_id,
            "X-Amz-Executed-Version": done.version,
        }
        if done.outcome.error:
            answer["X-Amz-Function-Error"] = done.outcome.error
        if headers.get("x-amz-log-type") == "Tail":
            answer["X-Amz-Log-Result"] = base64.b64encode(done.tail).decode()
        return Response(200, answer, done.outcome.payload)

    @invoker.cloud.action("lambda", "InvokeWithResponseStream")
    def invoke_with_response_stream(request: AwsRequest) -> Response:
        headers = request.headers
        qualifier = request.query.get("Qualifier") or str(request.params.get("Qualifier") or "")
        key, qualifier = parse_name(request.params["FunctionName"], request.account, request.region, qualifier)
        check_reach(key, request.region)
        _check(request.body, REQUEST_LIMIT, "RequestResponse")
        target = invoker.target(key, qualifier)
        if headers.get("x-amz-invocation-type") == "DryRun":
            return Response(204, {"x-amzn-RequestId": str(uuid4())})
        stream, request_id = ResponseStream(), str(uuid4())
        context = _context(headers.get("x-amz-client-context", ""))
        content_type = stream.start(
            lambda: invoker.invoke(
                key, qualifier, request.body, client_context=context, request_id=request_id, stream=stream
            )
        )
        answer = {
            "Content-Type": event_stream.CONTENT_TYPE,
            "x-amzn-RequestId": request_id,
            "X-Amz-Executed-Version": target.revision.version,
        }
        tail = headers.get("x-amz-log-type") == "Tail"
        return Response(200, answer, chunks=_events(stream, streams=content_type is not None, tail=tail))

    @invoker.cloud.action("lambda", "InvokeAsync")
    def invoke_async(request: AwsRequest) -> dict[str, int]:
        key, qualifier = parse_name(request.params["FunctionName"], request.account, request.region)
        invoker.target(key, qualifier)
        asynchronous.submit(key, qualifier, request.body)
        return {"Status": 202}


def _events(stream: ResponseStream, *, streams: bool, tail: bool) -> Iterator[bytes]:
    """Yield the response as events: its pieces, then how it ended. What wasn't streamed is one piece."""
    if streams:
        for piece in stream.pieces():
            yield event_stream.event("PayloadChunk", piece)
    elif not stream.invoked.outcome.error:
        yield event_stream.event("PayloadChunk", stream.invoked.outcome.payload)
    end: dict[str, str] = {}
    if failure := stream.failure:
        end = {"ErrorCode": failure.error_type, "ErrorDetails": failure.payload.decode(errors="replace")}
    if tail:
        end["LogResult"] = base64.b64encode(stream.invoked.tail).decode()
    yield event_stream.event("InvokeComplete", json.dumps(end).encode(), "application/json")


def _check(payload: bytes, limit: int, kind: str) -> None:
    if len(payload) > limit:
        raise ServiceError(
            "RequestTooLargeException",
            f"{len(payload)} byte payload is too large for the {kind} invocation type (limit {limit} bytes)",
            413,
        )
    try:
        json.loads(payload or b"{}", parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        message = f"Could not parse request body into json: {error}"
        raise ServiceError("InvalidRequestContentException", message, 400, Type="User") from None


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _context(encoded: str) -> str:
    try:
        return base64.b64decode(encoded).decode()
    except ValueError:
        raise ServiceError(
            "InvalidRequestContentException", "Client context must be base64-encoded JSON", 400
        ) from None
