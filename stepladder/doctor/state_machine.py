"""The promotion's state machine: deployed, and as the project's own module has it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from stepladder.core.aws import error_code
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding
from stepladder.promotion import definition, delivery

_MISSING = "StateMachineDoesNotExist"
_FILE = "terraform/modules/delivery/promotion.asl.json"
_OF_MANY = ("ExecutionType", "Label", "MaxConcurrency", "Mode")
"""What Terraform changes in the Maps of a ladder with many targets."""


def state_machine(context: DoctorContext) -> Iterator[Finding]:
    """Yield that the state machine is gone, or another one than the project's module makes."""
    if not context.has_foundation or delivery.read(context.rung) is None:
        return
    arn = context.names.state_machine_arn
    try:
        deployed = context.client("stepfunctions").describe_state_machine(stateMachineArn=arn)["definition"]
    except Exception as error:
        if error_code(error) != _MISSING:
            raise
        text = "the state machine is gone, so nothing can be promoted"
        yield Finding(ERROR, context.named(context.names.state_machine), text, "`inv promote` makes it again")
        return
    own = context.root / _FILE
    made = json.loads(own.read_text("utf-8")) if own.is_file() else definition.load()
    if not _fits(made, json.loads(deployed)):
        text = f"the state machine in AWS is another one than {_FILE} makes"
        fix = context.restored_by("delivery")
        yield Finding(WARNING, context.named(context.names.state_machine), text, fix)


def _fits(template: Any, value: Any) -> bool:
    """Compare with a definition in which Terraform fills in `${...}`."""
    if isinstance(template, dict) and isinstance(value, dict):
        keys = (template.keys() | value.keys()) - set(_OF_MANY)
        return all(key in template and key in value and _fits(template[key], value[key]) for key in keys)
    if isinstance(template, list) and isinstance(value, list):
        return len(template) == len(value) and all(map(_fits, template, value))
    if isinstance(template, str) and isinstance(value, str) and "${" in template:
        pattern = "".join(
            ".*" if part.startswith("${") else re.escape(part) for part in re.split(r"(\$\{\w+\})", template)
        )
        return re.fullmatch(pattern, value) is not None
    return bool(template == value)
