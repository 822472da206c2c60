"""The acts in which a release is promoted: a canary on production that is watched, and one that is caught."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from localcloud import daemon
from stepladder.collections.local import FOLDER
from stepladder.core.errors import ExitCode
from stepladder.demo.hold import Hold
from stepladder.demo.story import Stage, UnexpectedEndError
from stepladder.demo.traffic import FUNCTION_FAILED, Visitor

SPEED = 40  # the cloud's clock runs this much faster, so that a five-minute canary takes some eight seconds
_BETTER = ('f"good day, {name}"', 'f"good evening, {name}"')
_LOGS = '    logger.info("greeting", guest=name)\n'
_BROKEN = (_LOGS, f'    if name != "nobody":\n        raise RuntimeError("the guest book is gone")\n{_LOGS}')


def production(stage: Stage) -> None:
    """Promote once: that creates production, and later promotions have a version to return to."""
    stage.type("promote")


def canary(stage: Stage) -> None:
    """Release a change on staging and promote it, while somebody uses production."""
    edit(stage, *_BETTER)
    stage.type("deploy --env staging")
    hasten(stage)
    with Visitor(production_url(stage), stage.env, lambda answer: "good evening" in answer.body) as visitor:
        promote(stage, visitor.summary)
    stage.say(visitor.summary())
    stage.type("status")


def broken(stage: Stage) -> None:
    """Promote a version that passes its smoke cases and fails its users: the alarm stops the canary.

    The clock is held during the canary until enough visitors met the broken version, so that no chance decides.
    """
    edit(stage, *_BROKEN)
    stage.say("function/app/handler.py: greeting by name now raises, and no smoke case greets by name")
    stage.type("deploy --env staging")
    cloud = daemon.require(stage.folder / FOLDER)
    with (
        Visitor(production_url(stage), stage.env, lambda answer: answer.status == FUNCTION_FAILED) as visitor,
        Hold(cloud, visitor, canary_is_over(stage), SPEED) as hold,
    ):
        promote(stage, lambda: f"{visitor.summary()}; {hold.summary()}", expect=ExitCode.ROLLED_BACK)
        stage.say(f"exit code {ExitCode.ROLLED_BACK:d}: rolled back, and verified to be where it began")
    stage.say(f"{visitor.summary()}, all while the canary had a tenth of the traffic")
    stage.type("status")
    stage.type("ledger --env production")


def back(stage: Stage) -> None:
    """Staging still has the broken version: roll it back by hand."""
    stage.type("rollback --env staging")


def promote(stage: Stage, seen: Callable[[], str], *, expect: ExitCode = ExitCode.OK) -> None:
    """Promote; another end than the expected one is printed with what visitors saw and how the promotion ended."""
    try:
        stage.type("promote", expect=expect)
    except UnexpectedEndError as error:
        headline = f"the demo stopped: `inv promote` {_DID.get(error.code, f'ended with exit code {error.code}')}"
        story = f"{headline}, and {_DID[expect]} was expected (exit code {expect:d}, not {error.code})"
        raise UnexpectedEndError(
            f"{story}; {seen()}; {_end(stage)}", code=error.code, hint=f"what it made is in `{stage.folder}`"
        ) from error


_DID: dict[int, str] = {
    ExitCode.OK: "promoted the version",
    ExitCode.ROLLED_BACK: "rolled the version back",
    ExitCode.REFUSED: "refused the version before traffic moved",
    ExitCode.ROLLBACK_FAILED: "failed to roll the version back",
}


def _end(stage: Stage) -> str:
    """Return how the newest promotion ended, as its own record has it."""
    done = stage.run("promote.watch --json")
    try:
        record = json.loads(done.out)
    except ValueError:
        return "nothing more is known of the promotion"
    targets = ", ".join(f"{t.get('environment')} {t.get('outcome')}" for t in record.get("targets", ()))
    return f"the promotion's own end: {record.get('outcome')} ({targets}){_cause(record)}"


def _cause(record: dict[str, Any]) -> str:
    return f": {record['error']}" if record.get("error") else ""


def edit(stage: Stage, old: str, new: str) -> None:
    """Change the handler."""
    handler = stage.folder / "function" / "app" / "handler.py"
    text = handler.read_text()
    if old not in text:
        raise ValueError(f"the template's handler has no {old!r}")
    handler.write_text(text.replace(old, new))
    if "\n" not in old:
        stage.say(f"function/app/handler.py: {old} is now {new}")


def hasten(stage: Stage) -> None:
    """Let the cloud's clock run faster."""
    stage.type(f"local.speed {SPEED}")


def production_url(stage: Stage) -> str:
    """Return the URL that production's users call."""
    return f"{_outputs(stage)['function_url']}hello/Ada"


def canary_is_over(stage: Stage) -> Callable[[], bool]:
    """Return what says whether production's alias has no second version."""
    from botocore.session import Session

    client = Session().create_client(
        "lambda",
        region_name=stage.env["AWS_REGION"],
        endpoint_url=stage.env["AWS_ENDPOINT_URL"],
        aws_access_key_id=stage.env["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stage.env["AWS_SECRET_ACCESS_KEY"],
    )
    named = {"FunctionName": _outputs(stage)["function_name"], "Name": _outputs(stage)["alias_name"]}
    return lambda: not (client.get_alias(**named).get("RoutingConfig") or {}).get("AdditionalVersionWeights")


def _outputs(stage: Stage) -> dict[str, str]:
    outputs: dict[str, str] = json.loads((stage.folder / ".stepladder/production/service.outputs.json").read_text())
    return outputs
