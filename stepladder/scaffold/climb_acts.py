"""The acts in which a release climbs: a canary on production that is watched, and one that is caught."""

from __future__ import annotations

import json

from stepladder.collections.local import FOLDER
from stepladder.errors import ExitCode
from stepladder.local import manager
from stepladder.scaffold.demo import Stage
from stepladder.scaffold.visitor import Visitor

SPEED = 40  # the cloud's clock runs this much faster, so that a five-minute canary takes some eight seconds
_BETTER = ('f"good day, {name}"', 'f"good evening, {name}"')
_LOGS = '    logger.info("greeting", guest=name)\n'
_BROKEN = (_LOGS, f'    if name != "nobody":\n        raise RuntimeError("the guest book is gone")\n{_LOGS}')


def production(stage: Stage) -> None:
    """Deploy production once: a climb needs something to return to."""
    stage.type("deploy --env production")


def canary(stage: Stage) -> None:
    """Release a change on staging and promote it, while somebody uses production."""
    edit(stage, *_BETTER)
    stage.type("deploy --env staging")
    hasten(stage)
    with Visitor(production_url(stage), stage.env) as visitor:
        stage.type("promote")
    stage.say(visitor.told())
    stage.type("status")


def broken(stage: Stage) -> None:
    """Promote a version that passes its smoke cases and fails its users: the alarm stops the canary."""
    edit(stage, *_BROKEN)
    stage.say("function/app/handler.py: greeting by name now raises, and no smoke case greets by name")
    stage.type("deploy --env staging")
    with Visitor(production_url(stage), stage.env) as visitor:
        stage.type("promote", expect=ExitCode.ROLLED_BACK)
        stage.say(f"exit code {ExitCode.ROLLED_BACK:d}: rolled back, and verified to be where it began")
    stage.say(f"{visitor.told()}, all while the canary had a tenth of the traffic")
    stage.type("status")
    stage.type("ledger --env production")


def back(stage: Stage) -> None:
    """Staging still has the broken version: roll it back by hand."""
    stage.type("rollback --env staging")


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
    manager.require(stage.folder / FOLDER).request("clock", "POST", {"speed": SPEED})
    stage.say(f"the local cloud's clock now runs {SPEED} times as fast: five minutes of canary take some eight seconds")


def production_url(stage: Stage) -> str:
    """Return the URL that production's users call."""
    outputs = json.loads((stage.folder / ".stepladder/production/service.outputs.json").read_text())
    return f"{outputs['function_url']}hello/Ada"
