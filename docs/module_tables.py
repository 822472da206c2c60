"""Make docs/reference/modules.md: what each Terraform module takes, gives and makes, read out of its files."""

from __future__ import annotations

import re
from pathlib import Path

import terraform_text
from markdown_tables import markdown_table

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "modules.md"
MODULES = {
    "foundation": "What an account and region needs once: state, registry, ledger, the roles of CI jobs.",
    "service": "One environment of a function: the function, its alias, its role, alarms, CodeDeploy and triggers.",
    "delivery": "The pipeline: the state machine, its functions and their roles; a CodePipeline on request.",
}
HEAD = """# Terraform modules

Written by `docs/generate.py` from `terraform/modules/`; a test compares. [Terraform](terraform.md) says how a project's
roots call them.

A module's inputs come from the settings. Give another value by hand in the root's `main.tf`.
"""


def page() -> str:
    """Return docs/reference/modules.md."""
    return "\n".join([HEAD, *(_section(name, purpose) for name, purpose in MODULES.items())])


def _section(name: str, purpose: str) -> str:
    folder = ROOT / "terraform" / "modules" / name
    variables, outputs = (
        terraform_text.blocks((folder / file).read_text("utf-8")) for file in ("variables.tf", "outputs.tf")
    )
    inputs = []
    for each, block in variables.items():
        kind, default = (terraform_text.argument(block, argument) for argument in ("type", "default"))
        shape = re.match(r"[a-z]+", kind)
        shown = f"`{default}`" if default else "required"
        shown = "`{...}`" if default.startswith(("{", "[")) and not default.endswith(("}", "]")) else shown
        shape_name = "object" if "object(" in kind else f"`{kind}`" if shape else kind
        inputs.append((f"`{each}`", shape_name, shown, _described(block)))
    given = [(f"`{each}`", _described(block)) for each, block in outputs.items()]
    kinds = sorted({kind for file in folder.glob("*.tf") for kind in _kinds(file)})
    parts = [
        f"## {name}\n\n{purpose}\n",
        markdown_table(("input", "type", "default", "what it is"), inputs),
        markdown_table(("output", "what it is"), given),
        f"It makes: {', '.join(f'`{kind}`' for kind in kinds)}.\n",
    ]
    return "\n".join(parts)


def _kinds(file: Path) -> list[str]:
    return re.findall(r'^resource "(aws_\w+)"', file.read_text("utf-8"), re.MULTILINE)


def _described(block: str) -> str:
    """Return the description of an input or output, without HCL's escapes and with those of Markdown."""
    return terraform_text.described(block).replace("<", "&lt;").replace('\\"', '"').replace("$$", "$")
