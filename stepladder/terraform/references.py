"""Explain Terraform's errors about references that stand in the settings: by the setting, not by a generated file."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from stepladder.core.errors import BadInputError, ExitCode, StepladderError
from stepladder.core.similar import did_you_mean
from stepladder.settings import references
from stepladder.settings.load import Settings
from stepladder.settings.table import SERVICE
from stepladder.terraform import bucket_notifications, module_call, overrides, roots
from stepladder.terraform.events import Diagnostic
from stepladder.terraform.failures import TerraformError
from stepladder.terraform.roots import Root

_CYCLE = "Cycle:"
_OWN_NODE = re.compile(r"(?<![\w.])(?:data\.)?[a-z][a-z0-9]*_[a-z0-9_]+\.[\w-]+")
_UNDECLARED = re.compile(r'A (?:managed|data) resource "([\w-]+)" "([\w-]+)" has not been declared')
_DECLARED = re.compile(
    r'^[ \t]*(?:(resource|data)\s+"?([\w-]+)"?\s+|(module|variable)\s+)"?([\w-]+)"?\s*\{', re.MULTILINE
)
_LOCALS = re.compile(r"^[ \t]*locals\s*\{", re.MULTILINE)
_OF_THE_FUNCTION = re.compile(
    rf"\bmodule\.{SERVICE}\.(?:alias_arn|alias_name|function_arn|function_name|function_url)\b"
)
"""The module's outputs that are there after the function only; the others may stand in its variables."""


class UnknownReferenceError(TerraformError):
    """A reference in the settings that Terraform can't evaluate."""

    exit_code = ExitCode.BAD_INPUT
    kind = "unknown-reference"


class ReferenceCycleError(UnknownReferenceError):
    """Something of the project's own needs the function, and the function needs it."""

    kind = "reference-cycle"


def explain(at: Root, errors: Sequence[Diagnostic], *, hint: str) -> TerraformError | None:
    """Return Terraform's errors as one of the settings; None when they are of something else."""
    if at.name != SERVICE:
        return None
    through = f"module.{SERVICE}."  # a circle of own resources alone is Terraform's to name
    cycle = next((each for each in errors if each.summary.startswith(_CYCLE) and through in each.summary), None)
    if cycle:
        return _cycle(at, cycle, tuple(errors))
    unknown = next((each for each in errors if each.location.partition(":")[0] == overrides.FILE), None)
    return _unknown(at, unknown, tuple(errors), hint) if unknown else None


def _cycle(at: Root, cycle: Diagnostic, errors: tuple[Diagnostic, ...]) -> UnknownReferenceError:
    nodes = cycle.summary.removeprefix(_CYCLE)
    own = sorted({name[0] for node in nodes.split(",") if "module." not in node for name in _OWN_NODE.finditer(node)})
    through = ", ".join(own) or "an own resource"
    return ReferenceCycleError(
        f"terraform/{at.name} goes round in a circle: {through} needs the function, and the function needs it",
        hint="let one of the two not need the other: take the reference out of `stepladder.function`, or name the "
        "function in your own resource by var.project and var.environment, which are known beforehand",
        diagnostics=errors,
    )


def _unknown(at: Root, error: Diagnostic, errors: tuple[Diagnostic, ...], hint: str) -> UnknownReferenceError:
    number = int(error.location.rpartition(":")[2] or 0)
    lines = roots.override(at).splitlines()
    key = overrides.setting_at(roots.variables(at), lines[number - 1]) if 0 < number <= len(lines) else ""
    reason = error.detail.strip().split("\n\n", 1)[0].replace("\n", " ").rstrip(".") or error.summary
    undeclared = _UNDECLARED.search(error.detail)
    meant = did_you_mean(".".join(undeclared.groups()), declared(at)) if undeclared else ""
    if undeclared:
        reason = f"no .tf file of terraform/{at.name} declares {'.'.join(undeclared.groups())}"
    return UnknownReferenceError(
        f"stepladder.{key or 'function'} of {at.environment.name} holds a reference that can't be evaluated: {reason}",
        hint=f"{meant} to mean the text itself, write $${{; {hint}".strip(),
        diagnostics=errors,
    )


def check(at: Root) -> None:
    """Refuse references to what the root's own code doesn't declare, or to the function itself, before Terraform runs.

    Raises `BadInputError`. What only Terraform knows, such as an attribute's name, it says itself (`explain`).
    """
    if at.name != SERVICE:
        return
    bucket_notifications.check(at.source_dir, at.settings, at.environment)
    _check_circle(at)
    if any(at.source_dir.glob("*.tf.json")):  # declared elsewhere, maybe
        return
    referring = list(overrides.keys_of(roots.variables(at)))
    known = declared(at) if referring else []
    problems = [
        f"stepladder.{key} is {text!r}: no .tf file of terraform/{at.name} declares {name}; "
        f"{did_you_mean(name, known)}".rstrip("; ")
        for key, text in referring
        for name in references.named(text)
        if name not in known
    ]
    if problems:
        raise BadInputError(
            "the settings refer to what terraform/service doesn't have",
            kind=UnknownReferenceError.kind,
            hint=f"declare it in a file beside `terraform/{at.name}/main.tf`; to mean the text itself, write $${{",
            problems=tuple(dict.fromkeys(problems)),
        )


def _check_circle(at: Root) -> None:
    """Refuse variables of the function that need the function itself."""
    problems = [
        f"stepladder.{key} is {text!r}: {output[0]} is there after the function, which needs the variable first"
        for key, text in overrides.keys_of(roots.variables(at))
        if key.startswith("function.environment.")
        for part in references.parts(text)
        if part.reference and (output := _OF_THE_FUNCTION.search(part.text))
    ]
    if problems:
        raise BadInputError(
            "the settings go round in a circle: the function needs a variable that needs the function",
            kind=ReferenceCycleError.kind,
            hint="take it out of `invoke.yaml`: the code has the function's name in AWS_LAMBDA_FUNCTION_NAME, "
            "and its ARN in the context of each call",
            problems=tuple(problems),
        )


def checked_hash(settings: Settings, env: str, name: str) -> str:
    """Return `roots.inputs_hash`, once it is clear that every setting reaches Terraform.

    Raises `BadInputError` for a reference to nothing, and when the root's code leaves no way to give it a setting.
    """
    at = roots.root(settings, env, name)
    check(at)
    roots.override(at)
    return roots.hash_of(at)


def explained(settings: Settings, error: StepladderError) -> StepladderError:
    """Return an error of `terraform validate`, which is text, as one of the settings where it is one."""
    folder = error.message.rpartition(" ")[2]
    if folder.partition("-")[0] != SERVICE:
        return error
    at = Root(settings, settings.environment(folder.partition("-")[2] or next(iter(settings.environments))), SERVICE)
    *_, detail = error.hint.strip().split("\n\n")
    line = re.search(rf"on {re.escape(overrides.FILE)} line (\d+)", error.hint)
    cycle = re.search(rf"{_CYCLE}.*", error.hint, re.DOTALL)
    location = f"{overrides.FILE}:{line[1]}" if line else ""
    diagnostic = Diagnostic("error", " ".join(cycle[0].split()) if cycle else "", detail, location=location)
    return explain(at, [diagnostic], hint="") or error


def overrides_of(settings: Settings) -> dict[str, str]:
    """Return the override of the service root by the name to validate it under, one for all environments alike.

    Raises `BadInputError` for a reference that can't be evaluated in one of them.
    """
    given: dict[str, str] = {}
    for name in settings.environments:
        at = Root(settings, settings.environment(name), SERVICE)
        text = roots.override(at)
        if text and text not in given.values():
            check(at)
            given[f"{SERVICE}-{name}" if given else SERVICE] = text
    return given


def declared(at: Root) -> list[str]:
    """Return what a root's own code declares: `aws_sqs_queue.orders`, `data.aws_region.this`, `local.front`."""
    return sorted(
        name
        for path in (*at.source_dir.glob("*.tf"), *at.source_dir.glob("*.tofu"))
        for name in _declared(path.read_text("utf-8", "replace"))
    )


def _declared(code: str) -> Iterator[str]:
    for kind, of, block, name in _DECLARED.findall(code):
        heads = {"data": f"data.{of}", "resource": of, "module": "module", "variable": "var"}
        yield f"{heads[kind or block]}.{name}"
    code = "".join(module_call.without_comments(code))
    for match in _LOCALS.finditer(code):
        body = module_call.expression(code[match.end() :], ends=False)
        yield from (f"local.{name}" for name, _ in module_call.arguments(body))
