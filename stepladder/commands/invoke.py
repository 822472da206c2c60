"""`inv function.invoke`: call what is live, or one version, with an event."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Protocol

from stepladder.aws_lambda.lambda_function import InvokeResponse
from stepladder.aws_lambda.log_lines import lines
from stepladder.core import names
from stepladder.core import text as text_files
from stepladder.core.aws import error_code
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RefusedError
from stepladder.core.release_facts import NOT_FOUND
from stepladder.releases import restore
from stepladder.releases.rung import Rung


class Show(Protocol):
    """Prints what a function answered."""

    def __call__(self, answer: Any, console: Console, *, failed: bool) -> None:
        """Print it; `failed` says that it describes an error."""


def invoke(rung: Rung, event: Any, *, version: str = "", whole_log: bool = False, show: Show) -> InvokeResponse:
    """Invoke through the alias, or one version, and print the answer as data and the end of the log to the person.

    Of Lambda's own lines only time and memory are printed, unless the `whole_log` is wanted. `show` prints the
    answer.
    """
    try:
        answer = rung.function.invoke(event, version or names.ALIAS)
    except Exception as error:
        if error_code(error) != NOT_FOUND:
            raise
        raise _missing(rung, version) from None
    for line in lines(answer.log, whole=whole_log):
        rung.console.line(rung.console.paint(line, "dim"))
    show(answer.result, rung.console, failed=answer.error is not None)
    return answer


def _missing(rung: Rung, version: str) -> RefusedError:
    if version:
        message = f"there is no version {version} of {rung.names.function}"
        return RefusedError(
            message,
            kind="unknown-version",
            hint=f"`inv status` shows what is live; or deploy: `inv deploy {rung.flags}`",
        )
    return restore.nothing_live(rung)


def show_json(result: Any, console: Console) -> None:
    """Print what a function answered as data: JSON. What is none (NaN, which Python writes) is shown as its text."""
    try:
        json.dumps(result, allow_nan=False)
    except ValueError:
        console.warn("the answer is not JSON: it holds NaN or Infinity; here it is as a text")
        result = json.dumps(result, ensure_ascii=False)
    console.json(result)


def read_payload(payload: str, event: str) -> Any:
    """Read an event from JSON text or from a file (one of them may be empty). Raises `BadInputError`."""
    if payload and event:
        raise BadInputError(
            "both --payload and --event were given", kind="bad-arguments", hint="leave out `--payload` or `--event`"
        )
    if event:
        try:
            return text_files.read_json(Path(event), where=event)
        except FileNotFoundError as error:
            raise BadInputError(
                f"the event file {event} can't be read: {error.strerror}",
                kind="bad-arguments",
                hint="name a JSON file with `--event`, or give the JSON itself with `--payload`",
            ) from None
    try:
        return text_files.parse_json(payload or "{}")
    except (ValueError, RecursionError) as error:
        raise BadInputError(
            f"the payload is not JSON: {error}",
            kind="bad-arguments",
            hint="""for example `--payload '{"name": "Ada"}'`""",
        ) from None
