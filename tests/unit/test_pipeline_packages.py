import ast
import io
import json
import re
import sys
import zipfile

import pytest
from fakes.errors import error
from fakes.pipeline import FUNCTION, release, target

from stepladder.core import resources
from stepladder.core.release_facts import description
from stepladder.promotion import definition
from stepladder.terraform import function_packages


@pytest.mark.parametrize("verb", function_packages.VERBS)
def test_a_package_has_the_same_bytes_whenever_and_wherever_it_is_made(verb, tmp_path, monkeypatch):
    first = function_packages.build(verb)
    copy = tmp_path / "function"
    for path in resources.folder("function").rglob("*.py"):
        target = copy / path.relative_to(resources.folder("function"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o600)
    monkeypatch.setattr(resources, "folder", lambda _name: copy)
    assert function_packages.build(verb) == first


def test_a_package_is_flat_and_holds_its_handler_and_nothing_compiled():
    names = zipfile.ZipFile(io.BytesIO(function_packages.build("verify").data)).namelist()
    assert {"verify.py", "stepladder/releases/smoke_case.py", "shared/aws.py"} <= set(names)
    assert all(name.endswith(".py") for name in names)


def carried():
    """Every module of stepladder in every package, by verb and path."""
    for verb in function_packages.VERBS:
        package = zipfile.ZipFile(io.BytesIO(function_packages.build(verb).data))
        for name in package.namelist():
            if name.startswith("stepladder/"):
                yield verb, name, package.read(name)


def test_the_modules_of_stepladder_in_the_packages_are_those_that_stepladder_uses():
    root = resources.folder("function").parent
    modules = [(name, data) for _, name, data in carried() if not name.endswith("/__init__.py")]
    assert {name for name, _ in modules} >= {"stepladder/releases/smoke_case.py", "stepladder/promotion/contract.py"}
    for name, data in modules:
        assert data == (root / name).read_bytes()


@pytest.mark.parametrize("verb", function_packages.VERBS)
def test_a_package_holds_every_module_of_stepladder_that_it_imports(verb):
    package = zipfile.ZipFile(io.BytesIO(function_packages.build(verb).data))
    imported = {
        module
        for name in package.namelist()
        for node in ast.walk(ast.parse(package.read(name)))
        for module in imports(node)
        if module.startswith("stepladder")
    }
    assert imported
    assert {f"{module.replace('.', '/')}.py" for module in imported} <= set(package.namelist())


def imports(node):
    """The modules that a statement imports: of `from stepladder.releases import smoke`, the smoke module."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if not isinstance(node, ast.ImportFrom):
        return []
    whole = {"stepladder", *(f"stepladder.{name}" for name in ("core", "ledger", "promotion", "releases"))}
    return [f"{node.module}.{alias.name}" if node.module in whole else node.module for alias in node.names]


def test_other_content_has_another_key():
    assert len({function_packages.build(verb).key for verb in function_packages.VERBS}) == 4


class Bucket:
    def __init__(self):
        self.objects = {}

    def head_object(self, Bucket, Key):  # noqa: N803
        if Key not in self.objects:
            raise error("404", status=404)

    def put_object(self, Bucket, Key, Body):  # noqa: N803
        self.objects[Key] = Body


def test_an_object_that_is_there_is_not_sent_again():
    bucket = Bucket()
    assert function_packages.put(bucket, "b", "k", b"1") is True
    assert function_packages.put(bucket, "b", "k", b"1") is False
    assert bucket.objects == {"k": b"1"}


def test_the_functions_use_nothing_but_boto3_and_the_standard_library():
    own = {path.stem for path in resources.folder("function").rglob("*.py")} | {"shared", "stepladder"}
    allowed = own | {"boto3", "botocore"} | set(sys.stdlib_module_names)
    for path in resources.folder("function").rglob("*.py"):
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in allowed, f"{path.name} imports {name}"


def test_what_the_packages_carry_of_stepladder_uses_nothing_but_the_standard_library_and_each_other():
    for _, name, data in carried():
        for imported in re.findall(r"^(?:from|import) (\w+)", data.decode(), re.MULTILINE):
            assert imported in {"stepladder", *sys.stdlib_module_names}, f"{name} imports {imported}"


def test_the_errors_that_the_definition_retries_are_errors_of_the_functions(pipeline):
    known = {name for name, value in vars(pipeline.errors).items() if isinstance(value, type)}
    named = {
        error
        for state in definition.states(definition.load())
        for rule in (*state.body.get("Retry", ()), *state.body.get("Catch", ()))
        for error in rule["ErrorEquals"]
        if error.endswith("Error")
    }
    assert {"TransientError", "ScanPendingError", "StillRollingBackError"} <= named
    assert named - {"Runtime.ExitError"} <= known


def test_a_promotion_writes_the_description_that_the_ledger_is_rebuilt_from(pipeline, monkeypatch):
    ladder = {"production": {"function": FUNCTION, "alias": "live", "below": []}}
    for name, value in {"LADDER": json.dumps(ladder), "REPOSITORY": "orders", "SCAN_THRESHOLD": "OFF"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(pipeline.image, "check", lambda *_: None)
    promoted = release()
    facts = pipeline.validate.check(promoted, target())
    assert facts["description"] == description(promoted["id"], promoted["git_commit"], promoted["digest"])
