"""What others store or call keeps its name: each name that a release had is there still, or an alias of it.

The names are read out of each release's own code, so that none is left out of a list.
"""

from __future__ import annotations

import ast
import importlib
import json
import os
import re
import subprocess
import sys
import typing
from dataclasses import fields
from functools import cache

import pytest
import released

from stepladder.core import image_facts, resources
from stepladder.core.errors import ExitCode
from stepladder.ledger import schema
from stepladder.promotion import contract, requests
from stepladder.settings.load import DEFAULTS

ROOT = released.ROOT
ROOTS = ("delivery", "foundation", "service")
RELEASES = sorted(released.COMMITS)
RECORDS = {
    "releases/records.py:Holder": "stepladder.ledger.schema:Holder",
    "releases/records.py:Current": "stepladder.ledger.schema:Current",
    "releases/records.py:Infra": "stepladder.ledger.schema:InfraRecord",
    "releases/records.py:Release": "stepladder.ledger.schema:ReleaseEntry",
    "releases/records.py:Bad": "stepladder.ledger.schema:Bad",
    "releases/records.py:Unmarked": "stepladder.ledger.schema:Unmarked",
    "releases/report.py:Report": "stepladder.releases.report:DeployReport",
    "releases/rollback.py:Report": "stepladder.commands.rollback:RollbackReport",
    "terraform/plans.py:Inputs": "stepladder.terraform.saved_plan:Inputs",
    "terraform/events.py:Change": "stepladder.terraform.events:ResourceChange",
    "images/model.py:BuiltImage": "stepladder.images.model:BuiltImage",
}
"""Dataclasses of 0.1.0 whose fields are attributes of the ledger or keys of `--json`, and what they are now."""
DUMP = """
import json, sys
from stepladder.collections import namespace, project
root = namespace()
for task in (project.check, project.test, project.lock):
    root.add_task(task)
tasks = {}
for context in root.to_contexts():
    for name in (context.name, *context.aliases):
        tasks[name] = sorted(context.flag_names())
json.dump({"tasks": tasks, "settings": root.configuration()["stepladder"]}, sys.stdout)
"""


@pytest.fixture(scope="session", params=RELEASES)
def old(request, tmp_path_factory):
    """The code of a release."""
    return released.extract(request.param, tmp_path_factory.mktemp(request.param))


@cache
def _dumped(code):
    env = {name: value for name, value in os.environ.items() if not name.startswith("INVOKE_")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", DUMP],
        env=env | {"PYTHONPATH": str(code)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _source(code, path):
    """Return a module of a release, by where it was then."""
    return code / "stepladder" / path


def _keys(settings, prefix=""):
    for key, value in settings.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{prefix}{key}.")


def _fields_of(path, name):
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {each.target.id for each in node.body if isinstance(each, ast.AnnAssign)}
    raise LookupError(f"{path} has no {name}")


def test_every_setting_keeps_its_name(old):
    assert set(_keys(_dumped(old)["settings"])) - set(_keys(DEFAULTS)) == set()


def test_every_task_and_every_flag_keeps_its_name(old):
    now = _dumped(ROOT)["tasks"]
    gone = {
        f"{task} {flag}"
        for task, flags in _dumped(old)["tasks"].items()
        for flag in (flags if task in now else ["(the task itself)"])
        if flag not in now.get(task, ())
    }
    assert gone == set()


@pytest.mark.parametrize("record", RECORDS)
def test_every_attribute_and_json_key_keeps_its_name(old, record):
    path, _, name = record.partition(":")
    module, _, now = RECORDS[record].partition(":")
    kept = {field.name for field in fields(getattr(importlib.import_module(module), now))}
    assert _fields_of(_source(old, path), name) - kept == set()


def test_every_key_of_an_execution_s_input_keeps_its_name(old):
    pages = [page.read_text("utf-8") for page in old.glob("docs/**/promotion.md")]
    (shown,) = [
        json.loads(found)
        for page in pages
        for found in re.findall(r"```json\n(.*?)```", page, re.DOTALL)
        if "rungs" in found
    ]
    (rung,) = shown["rungs"]
    (target,) = rung["targets"]
    for part, shape in ((shown, "ExecutionInput"), (rung, "RungInput"), (target, "TargetInput")):
        assert set(part) - set(typing.get_type_hints(getattr(contract, shape))) == set()


def _payloads(definition):
    """Yield the function and the payload of each call of a state machine's definition."""
    if isinstance(definition, dict):
        if str(definition.get("Resource", "")).endswith((":lambda:invoke", ":lambda:invoke.waitForTaskToken")):
            parameters = definition["Parameters"]
            yield re.sub(r"\W|_arn", "", parameters["FunctionName"]), parameters["Payload"]
        definition = list(definition.values())
    if isinstance(definition, list):
        for each in definition:
            yield from _payloads(each)


def test_every_action_that_a_running_execution_asks_for_is_done_still(old):
    definition = json.loads((old / "terraform/modules/delivery/promotion.asl.json").read_text("utf-8"))
    calls = list(_payloads(definition))
    assert len(calls) > 10
    for function, payload in calls:
        assert payload["action"] in requests.ACTIONS[function], f"{function}: {payload['action']}"
        request, _ = requests.ACTIONS[function][payload["action"]]
        sent = {key.removesuffix(".$") for key in payload}
        known = typing.get_type_hints(request)
        assert sent <= set(known), f"{function}: {payload['action']} is sent {sent - set(known)}"
        assert request.__required_keys__ <= sent, f"{function}: {payload['action']} needs more than it is sent"


def test_every_label_of_an_image_keeps_its_name(old):
    labels = set(re.findall(r'^LABEL_\w+ = "(.*)"', (_source(old, "images/model.py")).read_text("utf-8"), re.MULTILINE))
    assert labels
    assert labels - {value for name, value in vars(image_facts).items() if name.startswith("LABEL_")} == set()


def test_every_exit_code_keeps_its_meaning(old):
    text = _source(old, "errors.py").read_text("utf-8")
    codes = dict(re.findall(r"^    ([A-Z_]+) = (\d+)", text, re.MULTILINE))
    assert codes
    assert {name: int(code) for name, code in codes.items()}.items() <= {c.name: int(c) for c in ExitCode}.items()


def _code(folder):
    return "\n".join(path.read_text("utf-8") for path in sorted(folder.glob("*.tf")))


@pytest.mark.parametrize("module", ROOTS)
def test_every_terraform_address_is_kept_or_moved(old, module):
    before, now = (_code(code / "terraform" / "modules" / module) for code in (old, ROOT))
    resource = re.compile(r'^resource "(\w+)" "(\w+)"', re.MULTILINE)
    gone = {".".join(found) for found in resource.findall(before)} - {".".join(f) for f in resource.findall(now)}
    moved = set(re.findall(r"^moved \{\s*from\s*=\s*([\w.]+)", now, re.MULTILINE))
    assert gone - moved == set()


@pytest.mark.parametrize("kind", ["variable", "output"])
@pytest.mark.parametrize("module", ROOTS)
def test_every_variable_and_output_of_a_module_keeps_its_name(old, module, kind):
    before, now = (_code(code / "terraform" / "modules" / module) for code in (old, ROOT))
    names = re.compile(rf'^{kind} "(\w+)"', re.MULTILINE)
    assert set(names.findall(before)) - set(names.findall(now)) == set()


@pytest.mark.parametrize("module", ROOTS)
def test_a_new_variable_of_a_module_has_a_default(old, module):
    """A project's root is the project's own: it doesn't pass what its release didn't know."""
    before, now = (_code(code / "terraform" / "modules" / module) for code in (old, ROOT))
    needed = {
        name
        for name, body in re.findall(r'^variable "(\w+)" \{(.*?)^\}', now, re.MULTILINE | re.DOTALL)
        if "default" not in body
    }
    assert needed - set(re.findall(r'^variable "(\w+)"', before, re.MULTILINE)) == set()


def test_every_environment_variable_keeps_its_name(old):
    def names(code):
        packages = ("stepladder", "localcloud")
        texts = [path.read_text("utf-8") for package in packages for path in (code / package).rglob("*.py")]
        return {name for text in texts for name in re.findall(r'"(STEPLADDER_[A-Z_]+)"', text)}

    assert names(old) - names(ROOT) == set()


def test_the_questions_of_an_approval_keep_their_attributes(old):
    path = _source(old, "promotion/approval.py")
    assert _fields_of(path, "Question") - {field.name for field in fields(schema.Approval)} == set()


def test_a_clone_without_a_release_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(released.COMMITS, "0.0.0", "0" * 40)
    with pytest.raises(AssertionError, match="git fetch --unshallow"):
        released.commit("0.0.0")


def test_the_modules_are_those_that_a_project_is_made_with():
    assert {path.name for path in (resources.folder("terraform") / "modules").iterdir()} == set(ROOTS)
