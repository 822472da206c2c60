"""The acts of the demo, in order. Add one by writing a function of the stage and naming it in `ACTS`."""

from __future__ import annotations

import json
import os
import platform
import shlex
from pathlib import Path

from stepladder.core import container_engine, interpreters
from stepladder.core.errors import StepladderError
from stepladder.demo import promotion_acts, traffic
from stepladder.demo.story import Act, Stage

PROJECT = "hello"
ACCOUNT = "123456789012"
REGION = "eu-west-1"
_GREETING = ('f"hello, {name}"', 'f"good day, {name}"')


def scaffold(stage: Stage) -> None:
    """Make the project, show it, run its tests."""
    answers = {
        "project_name": PROJECT,
        "aws_account": ACCOUNT,
        "aws_region": REGION,
        "python_version": _python(),
        "architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        "trigger": "url-iam",
        "ci": "both",
    }
    file = stage.work / "answers.json"
    file.write_text(json.dumps(answers, indent=2))
    stage.type(
        f"new --no-input --answers {shlex.quote(str(file))} --output {shlex.quote(str(stage.work))}", hidden=True
    )
    stage.folder = stage.work / PROJECT
    for line in _tree(stage.folder):
        stage.say(line)
    stage.type("test")


def cloud(stage: Stage) -> None:
    """Start the local cloud and point the rest of the demo at it."""
    stage.type("local.up --port 0")
    exports = stage.type(f"local.env --account {ACCOUNT} --region {REGION}", hidden=True)
    for line in exports.splitlines():
        verb, *words = shlex.split(line)
        if verb == "export":
            stage.env |= dict(word.split("=", 1) for word in words)
        else:
            for name in words:
                os.environ.pop(name, None)
    stage.say(f"AWS_ENDPOINT_URL is {stage.env['AWS_ENDPOINT_URL']}, with dummy credentials; nothing else changes")


def first_deploy(stage: Stage) -> None:
    """Deploy to an account that holds nothing, and call the function."""
    stage.type("deploy --env staging")
    call(stage)
    visit(stage)
    stage.type("status")


def change(stage: Stage) -> None:
    """Change the handler, deploy, call again."""
    handler = stage.folder / "function" / "app" / "handler.py"
    handler.write_text(handler.read_text().replace(*_GREETING))
    stage.say(f"function/app/handler.py: {_GREETING[0]} is now {_GREETING[1]}")
    stage.type("deploy --env staging")
    call(stage)


def nothing_new(stage: Stage) -> None:
    """Deploy what is live already."""
    stage.type("deploy --env staging")


ACTS = (
    Act("A project of your own", scaffold),
    Act("A cloud of your own, on this machine", cloud),
    Act("From nothing to a live function on staging", first_deploy),
    Act("A change in the handler", change),
    Act("Nothing has changed, so nothing is done", nothing_new),
    Act("Production, for the first time", promotion_acts.production),
    Act("Up the ladder: a canary on production", promotion_acts.canary),
    Act("A broken version is caught, and production is rolled back", promotion_acts.broken),
    Act("Back on staging too", promotion_acts.back),
)


def call(stage: Stage, environment: str = "staging") -> None:
    """Invoke the function through its alias and show the answer's status and body."""
    event = json.loads((stage.folder / "tests/events/event.json").read_text())
    event["rawPath"] = event["requestContext"]["http"]["path"] = "/hello/Ada"
    path = stage.folder / ".stepladder" / "ada.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(event))
    answered = stage.type(f"function.invoke --env {environment} --event {path.relative_to(stage.folder)}", hidden=True)
    answer = json.loads(answered)
    stage.say(f"{answer['statusCode']}  {answer['body']}")


def visit(stage: Stage, environment: str = "staging") -> None:
    """Ask the function's URL over HTTP, as a browser would."""
    outputs = json.loads((stage.folder / f".stepladder/{environment}/service.outputs.json").read_text())
    url = f"{outputs['function_url']}hello/Ada"
    signer = f"aws:amz:{stage.env['AWS_REGION']}:lambda"
    stage.echo(f'curl --aws-sigv4 {signer} --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" {url}')
    answer = traffic.get(url, stage.env)
    if answer.status != 200:  # noqa: PLR2004 - HTTP's OK
        raise StepladderError(f"the demo stopped: {url} answered {answer.status} {answer.body}", kind="demo-stopped")
    stage.say(answer.body)


def _python() -> str:
    """Return the newest Python that the demo's functions can run on: without an engine here that is this machine's.

    An engine in a virtual machine or elsewhere answers, but reaches no registry on our loopback (`images/choose.py`).
    """
    engine = container_engine.find()
    return "3.13" if engine and engine.is_local else interpreters.running()


def _tree(folder: Path) -> list[str]:
    """Return the project's files in a few lines: each folder with what is in it, then the files beside them."""
    lines = [f"{folder.name}/"]
    entries = sorted(folder.iterdir())
    for entry in filter(Path.is_dir, entries):
        inside = sorted(f"{path.name}/" if path.is_dir() else path.name for path in entry.iterdir())
        lines.append(f"  {entry.name + '/':<12} {'  '.join(inside)}")
    files = [entry.name for entry in entries if entry.is_file() and not entry.name.startswith(".")]
    return [*lines, f"  {'  '.join(files)}"]
