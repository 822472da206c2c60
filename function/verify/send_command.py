"""Send the release command to a version that has no traffic yet, once; its record in the ledger comes before.

The state machine may repeat the call of this function: a repetition finds the record, and sends nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError, NoCredentialsError
from shared import aws, ledger

from stepladder.core.release_facts import read_answer
from stepladder.ledger import schema
from stepladder.ledger.schema import SentCommand
from stepladder.promotion.requests.verify import CommandRequest, CommandResponse
from stepladder.releases import command_run
from stepladder.releases.command_run import CommandUnknownError, NotSentError, Occasion, ReleaseCommand

_CLIENT_ERRORS = range(400, 500)
_UNSENT = (ConnectTimeoutError, EndpointConnectionError, NoCredentialsError)


def run(request: CommandRequest) -> CommandResponse:
    """Run the command unless it was done for the image; say how it stands.

    Raises `CommandFailedError`, and `CommandUnknownError` when an answer was lost, now or before.
    """
    release, target = request["release"], request["target"]
    given = target["command"]
    command = ReleaseCommand(given["name"], given["event"], int(given["wait_seconds"]))
    occasion = Occasion(
        target=target["environment"],
        digest=release["digest"],
        version=request["version"],
        release_id=release["id"],
        requested_by=release["requested_by"],
        now=lambda: ledger.stamp(time.time()),
        execution_arn=request["execution_arn"],
        live=request["same_image"],
    )
    journal = _Item(occasion.target, release["digest"], command.key)
    try:
        done, ran = command_run.carry_out(
            command, occasion, journal, lambda event: _send(target["function"], request["version"], command, event)
        )
    except CommandUnknownError as error:
        raise CommandUnknownError(f"{error}; {command_run.ways_on(occasion.target)}") from error
    return {"outcome": done.outcome if done else "", "ran": ran}


def _send(function: str, version: str, command: ReleaseCommand, event: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Invoke the version once; the client repeats nothing."""
    client = aws.client("lambda", command.wait_seconds, attempts=1)
    try:
        answer = client.invoke(FunctionName=function, Qualifier=version, Payload=json.dumps(event).encode())
        body = answer["Payload"].read()
    except (ClientError, *_UNSENT) as error:
        if isinstance(error, _UNSENT) or _is_refused(error):
            raise NotSentError(aws.code(error) or str(error)) from error
        raise
    result = read_answer(body)
    error_name = None
    if answer.get("FunctionError"):
        error_name = str(result.get("errorType") or "") if isinstance(result, dict) else ""
        error_name = error_name or str(answer["FunctionError"])
    return result, error_name


def _is_refused(error: ClientError) -> bool:
    """Say whether AWS refused the request as such. A throttle may come of a second sending on the way."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status in _CLIENT_ERRORS and aws.code(error) not in aws.THROTTLES


@dataclass(frozen=True)
class _Item:
    """A `command_run.CommandJournal`: the item of one command and image on one target."""

    target: str
    digest: str
    command: str

    def read(self) -> SentCommand | None:
        return ledger.read(schema.COMMAND, environment=self.target, digest=self.digest, command=self.command)

    def write(self, run: SentCommand, was: SentCommand | None) -> bool:
        return ledger.write_command(self.target, self.command, run, was)
