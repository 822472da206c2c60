import io
import re
import zipfile

import pytest
from fakes.errors import error

from stepladder import resources
from stepladder.promotion import definition, packages


@pytest.mark.parametrize("verb", packages.VERBS)
def test_a_package_has_the_same_bytes_whenever_and_wherever_it_is_made(verb, tmp_path, monkeypatch):
    first = packages.build(verb)
    copy = tmp_path / "function"
    for path in resources.folder("function").rglob("*.py"):
        target = copy / path.relative_to(resources.folder("function"))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        target.chmod(0o600)
    monkeypatch.setattr(resources, "folder", lambda _name: copy)
    assert packages.build(verb) == first


def test_a_package_is_flat_and_holds_its_handler_and_nothing_compiled():
    names = zipfile.ZipFile(io.BytesIO(packages.build("verify").data)).namelist()
    assert {"verify.py", "smoke.py", "shared/aws.py"} <= set(names)
    assert all(name.endswith(".py") for name in names)


def test_the_smoke_module_in_the_package_is_the_one_that_deploy_uses():
    carried = zipfile.ZipFile(io.BytesIO(packages.build("verify").data)).read("smoke.py")
    source = resources.folder("function").parent / "stepladder" / "releases" / "smoke.py"
    assert carried == source.read_bytes()


def test_other_content_has_another_key():
    assert len({packages.build(verb).key for verb in packages.VERBS}) == 4


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
    assert packages.put(bucket, "b", "k", b"1") is True
    assert packages.put(bucket, "b", "k", b"1") is False
    assert bucket.objects == {"k": b"1"}


def test_the_functions_use_nothing_but_boto3_and_the_standard_library():
    own = {path.stem for path in resources.folder("function").rglob("*.py")} | {"shared", "smoke"}
    import sys

    for path in resources.folder("function").rglob("*.py"):
        for name in re.findall(r"^(?:from|import) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE):
            assert name in own | {"boto3", "botocore"} | set(sys.stdlib_module_names), f"{path.name} imports {name}"


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


def test_the_configuration_that_counts_as_a_change_is_the_same_as_in_deploy(pipeline):
    from stepladder.releases import function

    assert pipeline.serving.CONFIGURATION == function._CONFIGURATION


def test_an_image_on_a_machines_own_python_is_known_by_the_label_that_the_builder_writes(pipeline):
    from stepladder.images import model

    image = pipeline.validate.image
    assert (image.LABEL_BASE, image.HOST_BASE) == (model.LABEL_BASE, model.HOST_BASE)
