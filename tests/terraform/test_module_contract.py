"""What holds for the modules' text: no Terraform runs here, but for its formatter."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from stepladder.core import resources
from stepladder.settings.function import FunctionSettings
from stepladder.settings.load import DEFAULTS as SETTINGS
from stepladder.settings.promotion import PromotionSettings
from stepladder.settings.table import defaults
from stepladder.settings.trigger_settings import tables

DEFAULTS = SETTINGS["function"]
MODULES = ("foundation", "service")
OF_OTHERS = ("function",)
"""Variables that only the calls of the functions beside the project's own give."""
ROOTS = resources.folder("template") / "{{cookiecutter.project_slug}}" / "terraform"
SOURCE = resources.folder("terraform") / "modules"


@dataclass(frozen=True)
class Block:
    """A variable or output as it is written, in Terraform's own formatting."""

    name: str
    body: str

    def text(self, argument: str) -> str:
        """Return an argument's text, an empty string when it isn't there."""
        found = re.search(rf"^  {argument} += (object\(\{{.*?^  \}}\)|.*?)$", self.body, re.DOTALL | re.MULTILINE)
        return found[1] if found else ""

    @property
    def description(self) -> str:
        return self.text("description").strip('"')

    @property
    def required(self) -> bool:
        return not self.text("default")

    @property
    def validations(self) -> list[str]:
        return re.findall(r'error_message = "(.*)"$', self.body, re.MULTILINE)


def blocks(folder: Path, kind: str) -> list[Block]:
    text = (folder / f"{kind}s.tf").read_text(encoding="utf-8")
    return [Block(*found) for found in re.findall(rf'^{kind} "(\w+)" \{{\n(.*?)^\}}$', text, re.DOTALL | re.MULTILINE)]


def without_defaults(kind: str) -> str:
    """Drop the defaults of optional attributes: a root leaves them to the module."""
    plain = re.sub(r"optional\((number|string|bool|list\(string\)), .*\)$", r"optional(\1)", kind, flags=re.MULTILINE)
    return re.sub(r", \{\}\)$", ")", plain, flags=re.MULTILINE)


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("kind", ["variable", "output"])
def test_variables_and_outputs_are_alphabetical_and_described(module, kind):
    found = blocks(SOURCE / module, kind)
    names = [block.name for block in found]
    assert names == sorted(names)
    assert found
    assert [block.name for block in found if not block.description.endswith(".")] == []


@pytest.mark.parametrize("module", MODULES)
def test_every_variable_is_typed_and_null_only_where_that_is_its_default(module):
    for block in blocks(SOURCE / module, "variable"):
        assert block.text("type"), block.name
        assert block.text("nullable") == "false" or block.text("default") == "null", block.name


@pytest.mark.parametrize("module", MODULES)
def test_a_root_passes_every_variable_on_and_leaves_defaults_to_the_module(module):
    every, outer = blocks(SOURCE / module, "variable"), blocks(ROOTS / module, "variable")
    inner = [block for block in every if block.name not in OF_OTHERS]
    assert [block.name for block in outer] == [block.name for block in inner]
    for own, theirs in zip(outer, inner, strict=True):
        assert own.description == theirs.description
        assert own.text("type") == without_defaults(theirs.text("type"))
        assert own.text("default") == ("" if theirs.required else "null"), own.name
    passed = re.findall(
        r"^  (\w+) += var\.(\w+)$", (ROOTS / module / "main.tf").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert passed == [(block.name, block.name) for block in inner]


@pytest.mark.parametrize("module", MODULES)
def test_a_root_gives_every_output_of_its_module(module):
    inner, outer = blocks(SOURCE / module, "output"), blocks(ROOTS / module, "output")
    assert [(block.name, block.description) for block in outer] == [(block.name, block.description) for block in inner]
    assert [block.text("value") for block in outer] == [f"module.{module}.{block.name}" for block in inner]


@pytest.mark.parametrize("module", MODULES)
def test_roots_and_modules_want_the_same_terraform_and_provider(module):
    wanted = {
        tuple(re.findall(r'(?:required_version|version) += "(.*)"', path.read_text(encoding="utf-8")))
        for path in [SOURCE / module / "versions.tf", ROOTS / module / "versions.tf"]
    }
    assert wanted == {(">= 1.10, < 2", ">= 5.80, < 7")}


@pytest.mark.parametrize("module", MODULES)
def test_roots_are_terraform_as_they_lie_with_nothing_for_jinja(module):
    for path in sorted((ROOTS / module).glob("*.tf")):
        assert not re.search(r"\{\{|\{%|\{#", path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize("module", MODULES)
def test_the_reference_lists_the_variables_and_outputs(module):
    page = Path(__file__).parents[2] / "docs" / "reference" / "terraform.md"
    rows = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith(f"| {module} |")]
    assert len(rows) == 1
    variables, outputs = (set(re.findall(r"`(\w+)`", cell)) for cell in rows[0].split("|")[2:4])
    assert variables == {block.name for block in blocks(SOURCE / module, "variable")}
    assert outputs == {block.name for block in blocks(SOURCE / module, "output")}


def test_the_settings_have_the_service_modules_defaults():
    written = {block.name: block for block in blocks(SOURCE / "service", "variable")}
    names = DEFAULTS.keys() - {"environment", "alarms", "async", "not_secret", "queue", "vpc"}
    expected = {name: DEFAULTS[name] for name in names} | {
        "managed_policies": {}
    }  # a list, which Terraform gets by names
    assert {name: json.loads(written[name].text("default")) for name in names} == expected
    for section in ("alarms", "async", "queue", "vpc"):
        attributes = re.findall(r"(\w+) += optional\([^,]+, (.*)\)$", written[section].text("type"), re.MULTILINE)
        assert {name: json.loads(value) for name, value in attributes} == DEFAULTS[section]
    given = {name: value for name, value in DEFAULTS.items() if name not in ("environment", "not_secret")}
    assert FunctionSettings().variables == given | {"environment_variables": {}, "managed_policies": {}}
    attributes = re.findall(
        r"^      (\w+) += optional\([^,\n]+, (.*)\)$", written["triggers"].text("type"), re.MULTILINE
    )
    table = [
        (key, value)
        for _, kind in sorted(tables().items())
        for key, value in defaults(kind.settings()).items()
        if value not in (None, {})
    ]
    assert [(name, json.loads(value)) for name, value in attributes] == table
    project = ("architecture", "schedule", "trigger")
    assert {n: json.loads(written[n].text("default")) for n in project} == {n: SETTINGS[n] for n in project}
    delivery = {block.name: block for block in blocks(SOURCE / "delivery", "variable")}
    assert json.loads(delivery["scan_threshold"].text("default")) == SETTINGS["promotion"]["scan_threshold"]


def test_a_deployment_shifts_in_the_module_as_on_a_rung_unless_it_is_given():
    written = next(block for block in blocks(SOURCE / "service", "variable") if block.name == "deployment")
    attributes = re.findall(r"(\w+) += optional\([^,]+, (.*)\)$", written.text("type"), re.MULTILINE)
    assert {name: json.loads(value) for name, value in attributes} == PromotionSettings().deployment.variables


@pytest.mark.parametrize("module", MODULES)
def test_the_readme_lists_inputs_and_outputs(module):
    text = (SOURCE / module / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    known = [block.name for kind in ("variable", "output") for block in blocks(SOURCE / module, kind)]
    assert listed == known


@pytest.mark.terraform
@pytest.mark.parametrize("folder", [SOURCE, ROOTS], ids=["modules", "roots"])
def test_terraform_would_format_it_the_same(folder, runner):
    done = runner.run(folder, "fmt", "-check", "-recursive", "-list=true")
    assert (done.code, done.out) == (0, "")
