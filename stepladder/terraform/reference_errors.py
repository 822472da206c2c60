"""Explain Terraform's errors about references that stand in the settings: by the setting, not by a generated file."""

from __future__ import annotations

import re
from collections.abc import Sequence

from stepladder.core.errors import ExitCode, StepladderError
from stepladder.core.similar import did_you_mean
from stepladder.settings.load import Settings
from stepladder.settings.table import SERVICE
from stepladder.terraform import functions, overrides, references, roots
from stepladder.terraform.events import Diagnostic
from stepladder.terraform.failures import TerraformError
from stepladder.terraform.roots import Root

_CYCLE = "Cycle:"
_OWN_NODE = r"(?<![\w.])(?:data\.)?[a-z][a-z0-9]*_[a-z0-9_]+\.[\w-]+"
_UNDECLARED = r'A (?:managed|data) resource "([\w-]+)" "([\w-]+)" has not been declared'


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
    own = sorted(
        {name[0] for node in nodes.split(",") if "module." not in node for name in re.finditer(_OWN_NODE, node)}
    )
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
    undeclared = re.search(_UNDECLARED, error.detail)
    meant = did_you_mean(".".join(undeclared.groups()), references.declared(at)) if undeclared else ""
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
