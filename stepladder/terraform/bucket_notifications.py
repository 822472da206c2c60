"""Refuse two owners of a bucket's notifications: a function's triggers, and another's, or the project's own Terraform.

A bucket has one configuration of notifications. Terraform writes it as a whole for each resource that names the bucket,
so the one that is applied later deletes what the other wrote, and no plan shows that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stepladder.core import text
from stepladder.core.errors import BadInputError
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.load import Settings
from stepladder.terraform import module_call

_KIND = "aws_s3_bucket_notification"
_BLOCK = rf'(?m)^[ \t]*resource\s+"?{_KIND}"?\s+"?([\w-]+)"?\s*\{{'
_BUCKET = r"(?m)^[ \t]*bucket[ \t]*=[ \t]*(.+?)[ \t]*$"


def check(folder: Path, settings: Settings, environment: EnvironmentSettings) -> None:
    """Raise `BadInputError` when triggers of two functions name a bucket, or a trigger and a root's own code do."""
    named: dict[str, str] = {}
    for name in settings.function_names:
        view = settings.of_function(name)
        triggers = view.triggers_of(view.environment(environment.name))
        for bucket in {key for each in triggers if each.kind == "s3" for key in each.settings.bucket}:
            if bucket in named:
                raise _of_two_functions(bucket, (named[bucket], name), environment.name)
            named[bucket] = name
    for address, bucket in _own(folder) if named else ():
        if bucket in named:
            raise BadInputError(
                f"{address} in terraform/{folder.name} and a trigger of {environment.name} both own the notifications "
                f"of {bucket}: each would delete what the other wrote",
                kind="two-bucket-notifications",
                hint=f"keep one of the two: take {address} out, or the trigger out of `stepladder.triggers`",
            )


def _of_two_functions(bucket: str, names: tuple[str, str], environment: str) -> BadInputError:
    one, other = (f"the function {name}" if name else "the project's own function" for name in names)
    return BadInputError(
        f"triggers of {one} and of {other} both own the notifications of {bucket} in {environment}: S3 keeps one "
        "configuration of a bucket, and each would delete what the other wrote",
        kind="two-bucket-notifications",
        hint="take one of the two out of `invoke.yaml`; for both, let the bucket send its events to EventBridge, in "
        "Terraform of your own, and give each function a trigger of the kind eventbridge",
    )


def _own(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the notifications that a root's own code has: address, and the bucket by how it is written."""
    for path in sorted(folder.glob("*.tf")):
        code = "".join(module_call.without_comments(text.read(path)))
        for block in re.finditer(_BLOCK, code):
            bucket = re.search(_BUCKET, module_call.expression(code[block.end() :], ends=False))
            if bucket:
                yield f"{_KIND}.{block[1]}", _label(bucket[1])


def _label(expression: str) -> str:
    """Return an expression of Terraform as a setting that says the same is labelled."""
    from stepladder.settings.trigger_rules import label

    return label(expression[1:-1] if expression.startswith('"') else f"${{{expression}}}")
