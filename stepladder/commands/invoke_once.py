"""`inv function.invoke --local`: build the image, start it, send it one event, take it down; nothing is deployed."""

from __future__ import annotations

import json
from typing import Any

from localcloud.services.lambda_.execution.logs import Stream
from stepladder.aws_lambda.log_lines import lines
from stepladder.commands import local_function
from stepladder.commands.invoke import Show
from stepladder.commands.local_function import LocalOptions
from stepladder.core.console import Console
from stepladder.core.release_facts import read_answer
from stepladder.releases import variables
from stepladder.settings.load import Settings


def invoke(
    settings: Settings,
    environment: str,
    event: Any,
    console: Console,
    *,
    whole_log: bool = False,
    show: Show,
) -> str:
    """Build the image and call it once with `event`, configured as in that environment.

    Its log goes to the person as it comes, the lines that Lambda adds with the `whole_log`; `show` prints its answer.
    Returns the error's type when the function failed, else an empty string; raises as the builders do.
    """
    own = variables.of(settings, environment)
    printer = _Printer(console, whole_log)
    with local_function.opened(settings, environment, LocalOptions(own.values), printer) as function:
        with console.step("image") as step:
            image = function.build(step, console.warn)
            step.done(f"{image.size / 1e6:.1f} MB on {image.base.partition('@')[0]}")
        report = function.run(json.dumps(event).encode())
    if report.outcome.error and (hint := own.hint(settings.names(environment).target)):
        console.hint(hint)
    answer = read_answer(report.outcome.payload)
    show(answer, console, failed=bool(report.outcome.error))
    named = answer.get("errorType") if isinstance(answer, dict) else ""
    return report.outcome.error and str(named or report.outcome.error)


class _Printer:
    """Takes log lines to the person instead of to CloudWatch Logs."""

    def __init__(self, console: Console, whole: bool) -> None:
        self._console = console
        self._whole = whole

    def put(self, _stream: Stream, message: str) -> None:
        for line in lines(message, whole=self._whole):
            self._console.line(self._console.paint(line, "dim"))
