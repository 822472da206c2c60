"""Explain Terraform's errors about references that stand in the settings: by the setting, not by a generated file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from stepladder.core.errors import BadInputError, ExitCode, StepladderError
from stepladder.core.similar import did_you_mean
from stepladder.settings import references
from stepladder.settings.load import Settings
from stepladder.settings.table import SERVICE
from stepladder.terraform import bucket_notifications, functions, module_call, overrides, roots
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
_OF_THE_FUNCTIONS = f"module.{functions.MODULE}".__eq__


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
    # a circle of own resources alone is Terraform's to name
    through = re.compile(rf"module\.(?:{SERVICE}|{functions.MODULE})\b|local\.{functions.LOCAL}\b")
    cycle = next((each for each in errors if each.summary.startswith(_CYCLE) and through.search(each.summary)), None)
    if cycle:
        return _cycle(at, cycle, tuple(errors))
    generated = (overrides.FILE, functions.FILE)
    unknown = next((each for each in errors if each.location.partition(":")[0] in generated), None)
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
    key = _setting_at(at, error.location.partition(":")[0], number)
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


def _setting_at(at: Root, file: str, number: int) -> str:
    """Return the key of the setting that stands in a line of a generated file; empty when none does."""
    lines = roots.generated(at).get(file, "").splitlines()
    if not 0 < number <= len(lines):
        return ""
    if file == overrides.FILE:
        return overrides.setting_at(roots.variables(at), lines[number - 1])
    given = functions.arguments(at.settings, at.environment.name)
    name = functions.name_at(lines, number)
    key = overrides.setting_at(given.get(name, {}), lines[number - 1])
    return f"functions.{name}.{key}" if key else ""


def _referring(at: Root) -> list[tuple[str, str]]:
    """Return each text with a reference, after its setting's key."""
    given = functions.arguments(at.settings, at.environment.name)
    own = list(overrides.keys_of(roots.variables(at)))
    return own + [
        (f"functions.{name}.{key}", text) for name, values in given.items() for key, text in overrides.keys_of(values)
    ]


def check(at: Root) -> None:
    """Refuse references to what the root's own code doesn't declare, or to the function itself, before Terraform runs.

    Raises `BadInputError`. What only Terraform knows, such as an attribute's name, it says itself (`explain`).
    """
    if at.name != SERVICE:
        return
    bucket_notifications.check(at.source_dir, at.settings, at.environment)
    referring = _referring(at)
    _check_circle(referring)
    if any(at.source_dir.glob("*.tf.json")):  # declared elsewhere, maybe
        return
    known = _known(at) if referring else []
    # What functions have from the project is the project's to say.
    firsts = {text: key for key, text in reversed(referring)}
    problems = [
        f"stepladder.{key} is {text!r}: no .tf file of terraform/{at.name} declares {name}; "
        f"{did_you_mean(name, known)}".rstrip("; ")
        for text, key in reversed(firsts.items())
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


def _check_circle(referring: Sequence[tuple[str, str]]) -> None:
    """Refuse variables of the function that need the function itself, and functions that need each other."""
    itself = [
        f"stepladder.{key} is {text!r}: {output[0]} is there after the function, which needs the variable first"
        for key, text in referring
        if key.startswith("function.environment.")
        for part in references.parts(text)
        if part.reference and (output := _OF_THE_FUNCTION.search(part.text))
    ]
    others = [
        f"stepladder.{key} is {text!r}{_origin(key, text, referring)}: Terraform takes `module.{functions.MODULE}` as "
        "one, so none of these functions can need another"
        for key, text in referring
        if key.startswith(f"{functions.MODULE}.") and any(map(_OF_THE_FUNCTIONS, references.named(text)))
    ]
    if itself:
        hint = "the code has the function's name in AWS_LAMBDA_FUNCTION_NAME, and its ARN in the context of each call"
        raise _circle("the function needs a variable that needs the function", hint, (*itself, *others))
    if others:
        hint = "name the other function by `${var.project}-${var.environment}-<name>`, which is known before it is made"
        raise _circle("one of several functions needs another", hint, others)


def _origin(key: str, text: str, referring: Sequence[tuple[str, str]]) -> str:
    """Say that a function has a text from the settings of the project, where a person has to change it."""
    inherited = key.split(".", 2)[2]
    return f", inherited from stepladder.{inherited}" if (inherited, text) in referring else ""


def _circle(what: str, hint: str, problems: Iterable[str]) -> BadInputError:
    return BadInputError(
        f"the settings go round in a circle: {what}",
        kind=ReferenceCycleError.kind,
        hint=f"take it out of `invoke.yaml`: {hint}",
        problems=tuple(problems),
    )


def checked_hash(settings: Settings, env: str, name: str) -> str:
    """Return `roots.inputs_hash`, once it is clear that every setting reaches Terraform.

    Raises `BadInputError` for a reference to nothing, and when the root's code leaves no way to give it a setting.
    """
    at = roots.root(settings, env, name)
    check(at)
    roots.generated(at)
    return roots.hash_of(at)


def explained(settings: Settings, error: StepladderError) -> StepladderError:
    """Return an error of `terraform validate`, which is text, as one of the settings where it is one."""
    folder = error.message.rpartition(" ")[2]
    if folder.partition("-")[0] != SERVICE:
        return error
    at = roots.root_of(settings, folder.partition("-")[2] or next(iter(settings.environments)), SERVICE)
    *_, detail = error.hint.strip().split("\n\n")
    line = re.search(rf"on ({re.escape(overrides.FILE)}|{re.escape(functions.FILE)}) line (\d+)", error.hint)
    cycle = re.search(rf"{_CYCLE}.*", error.hint, re.DOTALL)
    location = f"{line[1]}:{line[2]}" if line else ""
    diagnostic = Diagnostic("error", " ".join(cycle[0].split()) if cycle else "", detail, location=location)
    return explain(at, [diagnostic], hint="") or error


def generated_of(settings: Settings) -> dict[str, dict[str, str]]:
    """Return the service root's generated files by the name to validate it under, one for all environments alike.

    Raises `BadInputError` for a reference that can't be evaluated in one of them.
    """
    given: dict[str, dict[str, str]] = {}
    for at in (roots.root_of(settings, name, SERVICE) for name in settings.environments):
        made = roots.generated(at)
        if made and made not in given.values():
            check(at)
            given[f"{SERVICE}-{at.environment.name}" if given else SERVICE] = made
    return given


def _known(at: Root) -> list[str]:
    """Return what a reference may name: what the root's code declares, and what stands beside it for functions."""
    left_out = set() if at.settings.main else {f"module.{SERVICE}"}
    called = {f"module.{functions.MODULE}"} if functions.names(at.settings) else set()
    return sorted({*declared(at), *called} - left_out)


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
