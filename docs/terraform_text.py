"""Write the Terraform code that follows from other sources: the settings, the trigger kinds, the modules themselves.

| written | from |
|---|---|
| the settings in the modules' `variables.tf` | the tables in `stepladder/settings/` |
| `trigger_*.tf` beside it | the kinds' folders, as they are |
| a kind's blocks in the module's `variables.tf`, `outputs.tf`, `role.tf` | the kinds' folders |
| the roots' `variables.tf`, `main.tf`, `outputs.tf` | their module |
| the tables in the modules' READMEs, the row of `service` in docs/reference/terraform.md | the module |

`docs/generate.py` runs it. Whatever else stands in these files stays as it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass
from pathlib import Path
from typing import Any

from stepladder.core import resources, trigger_kinds
from stepladder.core.trigger_kinds import TriggerKind
from stepladder.settings.load import Settings
from stepladder.settings.rules import Section
from stepladder.settings.table import (
    SERVICE,
    Check,
    checks_of,
    given,
    plain,
    rule_of,
    settings_of,
    variable_of,
    written_settings,
)
from stepladder.settings.trigger_rules import Group, Keyed
from stepladder.settings.trigger_settings import tables
from stepladder.settings.triggers import LONGEST_NAME, NAME, UNNAMED, URL_KINDS

PASSED_ON = ("delivery", "foundation", SERVICE)
"""The modules whose roots pass every variable on as it is."""
OWN_CALL = {SERVICE: ("function",)}
"""Variables that a root leaves as they are: its own call is of the project's own function."""
MERGED = ("variables.tf", "outputs.tf", "role.tf")
"""Files of a kind that are merged into the module's file of that name; all others are copied."""
ROOT_HEADER = "# What is left null takes the default of the module, which also checks every value.\n\n"
BEGIN, END = "<!-- begin: generated -->\n", "\n<!-- end: generated -->"
STATEMENTS_END = "  # X-Ray has no resources to name"
_OPTIONAL = re.compile(r"optional\((number|string|bool|list\(string\)), .*\)$", re.MULTILINE)
_OPTIONAL_MAP = re.compile(r"(\}\)\)), \{\}\)$", re.MULTILINE)
_BLOCK = re.compile(r'^(?:variable|output) "(\w+)" \{\n.*?^\}\n', re.DOTALL | re.MULTILINE)
_STATEMENT = re.compile(
    r'(?:^  #[^\n]*\n)*^  dynamic "statement" \{\n    for_each = (?:local|var)\.trigger.*?^  \}\n\n',
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Folders:
    """Where the sources and the written files are, below a checkout."""

    checkout: Path

    @property
    def template(self) -> Path:
        """The cookiecutter template."""
        return self.checkout / "template"

    def module(self, name: str) -> Path:
        """Return the folder of a module."""
        return self.checkout / "terraform" / "modules" / name

    def root(self, name: str) -> Path:
        """Return the folder of a project's root as the template has it."""
        return self.template / "{{cookiecutter.project_slug}}" / "terraform" / name

    def of_kind(self, kind: TriggerKind) -> Path:
        """Return the folder of a kind's Terraform code; not every kind has one."""
        return self.template / trigger_kinds.FOLDER / kind.name / "terraform"


def documents(checkout: Path) -> dict[Path, str]:
    """Return every written file and its text."""
    folders = Folders(checkout)
    kinds = trigger_kinds.read(folders.template)
    service = folders.module(SERVICE)
    written = {service / path.name: path.read_text("utf-8") for path in _kind_files(folders, kinds)}
    own = setting_variables(SERVICE) | {"triggers": triggers_variable()}
    for kind in kinds:
        own |= blocks(_text(folders.of_kind(kind) / "variables.tf"))
    written[service / "variables.tf"] = merged(_text(service / "variables.tf"), own)
    outputs: dict[str, str] = {}
    for kind in kinds:
        outputs |= blocks(_text(folders.of_kind(kind) / "outputs.tf"))
    written[service / "outputs.tf"] = merged(_text(service / "outputs.tf"), outputs)
    statements = [_text(folders.of_kind(kind) / "role.tf") for kind in kinds]
    written[service / "role.tf"] = role(_text(service / "role.tf"), statements)
    for name in PASSED_ON:
        variables = folders.module(name) / "variables.tf"
        written.setdefault(variables, merged(_text(variables), setting_variables(name)))
        written |= _root(folders, name, written) | _readme(folders, name, written)
    return written | _reference(checkout, written)


def blocks(text: str) -> dict[str, str]:
    """Return the text of each variable or output by its name."""
    return {match[1]: match[0] for match in _BLOCK.finditer(text)}


def merged(text: str, given: Mapping[str, str]) -> str:
    """Return the text of a file of blocks with these put in, in the order of their names."""
    both = blocks(text) | given
    return "\n".join(both[name] for name in sorted(both))


def setting_variables(module: str) -> dict[str, str]:
    """Return the variables of a module that are settings."""
    return {
        variable_of(each): setting_variable(each, default)
        for each, default in written_settings(Settings(Path()))
        if each.metadata["module"] == module
    }


def setting_variable(of: Field[Any], value: Any) -> str:
    """Return the variable of one setting; `value` is its default."""
    rule = rule_of(of)
    if isinstance(rule, Section):
        width = max(len(each.name) for each in settings_of(rule.kind))
        attributes = "".join(
            f"    {each.name:<{width}} = optional({rule_of(each).terraform_type}, "
            f"{literal(getattr(value, each.name))})\n"
            for each in settings_of(rule.kind)
        )
        kind = f"  type = object({{\n{attributes}  }})\n  default  = {{}}\n  nullable = false\n"
    else:
        default = literal(given(of, value))
        kind = f"  type        = {rule.terraform_type}\n  default     = {default}\n  nullable    = false\n"
    head = f'variable "{variable_of(of)}" {{\n  description = {json.dumps(of.metadata["description"])}\n'
    return head + kind + "".join(map(validation, checks_of(of))) + "}\n"


TRIGGERS = (
    "What calls the function, always through the alias: by kind, then by a name, which is part of what Terraform makes "
    f"for it; `{UNNAMED}` stands for none. Not asked where `trigger` is given."
)


def triggers_variable() -> str:
    """Return the variable of the triggers: an object of a map for each kind."""
    default = trigger_kinds.default(resources.folder("template"))
    kinds = "".join(
        f"    {kind} = optional(map(object({{{_attributes(table.settings, 6)}    }})), {{}})\n".replace("{    }", "{}")
        for kind, table in sorted(tables().items())
    )
    return (
        f'variable "triggers" {{\n  description = {json.dumps(TRIGGERS)}\n'
        f"  type = object({{\n{_aligned(kinds)}  }})\n"
        f"  default  = {{ {default} = {{ {UNNAMED} = {{}} }} }}\n  nullable = false\n"
        + "".join(map(validation, _trigger_checks()))
        + "}\n"
    )


def _attributes(kind: type, indent: int) -> str:
    """Return the attributes of settings as an object type has them, each line indented."""
    own = settings_of(kind)
    space = " " * indent
    lines = [f"{space}{each.name} = {_attribute_type(each, indent)}\n" for each in own]
    return "\n" + _aligned("".join(lines)) if lines else ""


def _attribute_type(each: Field[Any], indent: int) -> str:
    rule = rule_of(each)
    if isinstance(rule, Group):
        return f"optional(object({{{_attributes(rule.kind, indent + 2)}{' ' * indent}}}))"
    if each.metadata["required"] or isinstance(rule, Keyed):
        return rule.terraform_type
    default = each.default
    return f"optional({rule.terraform_type}{'' if default is None else f', {literal(default)}'})"


def _aligned(lines: str) -> str:
    """Align the signs of assignments on consecutive lines, as Terraform's format does."""
    done: list[str] = []
    for block in re.split(r"((?:^ *[\w-]+ = [^\n]*[^({\n]\n)+)", lines, flags=re.MULTILINE):
        rows = [re.fullmatch(r"( *[\w-]+) (= .*)", line) for line in block.splitlines()]
        if rows and all(rows):
            width = max(len(row[1]) for row in rows if row)
            done += [f"{row[1]:<{width}} {row[2]}\n" for row in rows if row]
        else:
            done.append(block)
    return "".join(done)


def _trigger_checks() -> tuple[Check, ...]:
    """Return what holds for the names, between triggers, and for each."""
    kinds = "values(var.triggers)"
    shaped = f'can(regex("^{NAME}$", name)) && length(name) <= {LONGEST_NAME}'
    names = f'flatten([for kind in {kinds} : [for name in keys(kind) : name if name != "{UNNAMED}"]])'
    urls = " + ".join(f"length(var.triggers.{kind})" for kind in URL_KINDS)
    return (
        Check(
            f"alltrue([for name in {names} : {shaped}])",
            f"triggers must have names of at most {LONGEST_NAME} lower-case letters, digits and single hyphens.",
        ),
        Check(
            f"length({names}) == length(distinct({names}))",
            "triggers must have different names, of whatever kind they are.",
        ),
        Check(f"{urls} <= 1", f"triggers must hold one function URL at most ({' or '.join(URL_KINDS)})."),
        *(check for table in tables().values() if (check := table.check())),
    )


def validation(check: Check) -> str:
    """Return a validation."""
    comment = f"  # {check.comment}\n" if check.comment else ""
    space = "" if "\n" in check.condition else "    "  # Terraform's format aligns what is on one line
    return f"""
{comment}  validation {{
    condition{space} = {check.condition}
    error_message = {json.dumps(check.message)}
  }}
"""


def literal(value: Any) -> str:
    """Return a value as Terraform writes it."""
    return json.dumps(int(value) if isinstance(value, float) and value.is_integer() else plain(value))


def role(text: str, pieces: Iterable[str]) -> str:
    """Return role.tf with the statements that the kinds' role.tf add to the function's own policy."""
    inner = [piece.partition("{\n")[2].removesuffix("}\n") for piece in pieces if piece]
    for each in inner:
        if _STATEMENT.sub("", f"{each}\n").strip():
            raise LookupError(
                f"a kind's role.tf has more than statements for local.trigger... or var.trigger...: {each}"
            )
    head, end, tail = _STATEMENT.sub("", text).partition(STATEMENTS_END)
    if not end:
        raise LookupError(
            f"role.tf has no line that begins with {STATEMENTS_END!r}, before which the kinds' statements go"
        )
    return head + "".join(f"{statement}\n" for statement in inner) + end + tail


def _root(folders: Folders, name: str, written: Mapping[Path, str]) -> dict[Path, str]:
    """Return the files of a root that follow from its module."""
    module, root = folders.module(name), folders.root(name)
    both, outputs = _both(module, written)
    variables = {each: block for each, block in both.items() if each not in OWN_CALL.get(name, ())}
    width = max(map(len, variables))
    main = _text(root / "main.tf")
    assignments = "".join(f"  {each:<{width}} = var.{each}\n" for each in variables)
    passed = re.compile(r"(?:^  \w+ += var\.\w+\n)+", re.MULTILINE)
    return {
        root / "variables.tf": ROOT_HEADER + "\n".join(map(passed_on, variables.values())),
        root / "main.tf": passed.sub(lambda _: assignments, main, count=1),
        root / "outputs.tf": "\n".join(
            re.sub(r"^(  value +=) .*$", rf"\1 module.{name}.{each}", block, flags=re.MULTILINE)
            for each, block in outputs.items()
        ),
    }


def _readme(folders: Folders, name: str, written: Mapping[Path, str]) -> dict[Path, str]:
    """Return a module's README with its table of inputs and outputs."""
    path = folders.module(name) / "README.md"
    if not path.is_file():
        return {}
    variables, outputs = _both(folders.module(name), written)
    lines = ["| input | type | default | |", "|---|---|---|---|"]
    for each, block in variables.items():
        kind, default = argument(block, "type"), argument(block, "default")
        shown = f"`{default}`" if default else "required"
        lines.append(f"| `{each}` | {'object' if 'object(' in kind else kind} | {shown} | {described(block)} |")
    lines += ["", "| output | |", "|---|---|"]
    lines += [f"| `{each}` | {described(block)} |" for each, block in outputs.items()]
    before, _, rest = _text(path).partition(BEGIN)
    after = rest.partition(END)[2]
    return {path: before + BEGIN + "\n".join(lines) + END + after}


def _reference(checkout: Path, written: Mapping[Path, str]) -> dict[Path, str]:
    """Return the reference of Terraform with the row of the service module."""
    path = checkout / "docs" / "reference" / "terraform.md"
    variables, outputs = _both(Folders(checkout).module("service"), written)
    names = [
        ", ".join(f"`{each}`" for each, block in variables.items() if bool(argument(block, "default")) == with_default)
        for with_default in (False, True)
    ]
    row = f"| service | {names[0]}; with defaults: {names[1]} | {', '.join(f'`{each}`' for each in outputs)} |"
    return {path: re.sub(r"^\| service \| `.*$", lambda _: row, _text(path), flags=re.MULTILINE)}


def _both(module: Path, written: Mapping[Path, str]) -> tuple[dict[str, str], dict[str, str]]:
    variables, outputs = (module / name for name in ("variables.tf", "outputs.tf"))
    return (
        blocks(written.get(variables) or _text(variables)),
        blocks(written.get(outputs) or _text(outputs)),
    )


def argument(block: str, name: str) -> str:
    """Return the first line of an argument's text, or an empty text."""
    found = re.search(rf"^  {name} += (.*)$", block, re.MULTILINE)
    return found[1] if found else ""


def described(block: str) -> str:
    """Return a block's description."""
    return argument(block, "description").strip('"')


def passed_on(block: str) -> str:
    """Return a root's variable for a module's: checked and defaulted there."""
    head = block.partition("\n  validation {")[0].rstrip("}\n") + "\n"
    lines = [line for line in head.splitlines(keepends=True) if not line.startswith("  nullable")]
    text = _OPTIONAL_MAP.sub(r"\1)", _OPTIONAL.sub(r"optional(\1)", "".join(lines)))
    default = "  default = null" if "({\n" in text else r"\1 null"  # Terraform's format aligns what is on one line
    return re.sub(r"^(  default +=) .*$", default, text, flags=re.MULTILINE).rstrip("\n") + "\n}\n"


def _kind_files(folders: Folders, kinds: Iterable[TriggerKind]) -> list[Path]:
    found = [path for kind in kinds for path in sorted(folders.of_kind(kind).glob("*.tf"))]
    return [path for path in found if path.name not in MERGED]


def _text(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""
