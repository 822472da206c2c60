"""Functions made of images."""

from __future__ import annotations

from typing import Any

from recorded import scenario
from recorded.recorder import Recorder

IMAGES = "TestLambdaImages::test_lambda_"
CUSTOM = {"Environment": {"Variables": {"CUSTOM_ENV": "test"}}}


def image(r: Recorder) -> str:
    repository = r.functions.repository()
    uri = r.functions.image(repository, {"app.py": repository}, tag="latest", runtime=False, architecture="amd64")
    return f"{uri.partition('@')[0]}:latest"


def make(r: Recorder, label: str, **settings: Any) -> str:
    name = r.name("test-function")
    given = {"PackageType": "Image", "Code": {"ImageUri": image(r)}, "Role": r.functions.role, **CUSTOM, **settings}
    r.see(label, "create_function", FunctionName=name, **given)
    r.active(name)
    return name


def both(r: Recorder, name: str, code: str, configuration: str) -> None:
    r.see(code, "get_function", FunctionName=name)
    r.see(configuration, "get_function_configuration", FunctionName=name)


@scenario(f"{IMAGES}image_crud")
def crud(r: Recorder) -> None:
    name = make(r, "create-image-response")
    both(r, name, "get-function-code-response", "get-function-config-response")
    r.see("image-to-zipfile-error", "update_function_code", FunctionName=name, ZipFile=r.functions.zip())
    r.see("update-function-code-response", "update_function_code", FunctionName=name, ImageUri=image(r))
    r.updated(name)
    both(r, name, "get-function-code-response-after-update", "get-function-config-response-after-update")


@scenario(f"{IMAGES}image_and_image_config_crud")
def image_config(r: Recorder) -> None:
    config = {"EntryPoint": ["sh"], "Command": ["-c", "echo test"], "WorkingDirectory": "/app1"}
    name = make(r, "create-image-with-config-response", ImageConfig=config)
    both(r, name, "get-function-code-with-config-response", "get-function-config-with-config-response")
    change = {"Command": ["-c", "echo test1"], "WorkingDirectory": "/app1"}
    r.see("update-function-code-response", "update_function_configuration", FunctionName=name, ImageConfig=change)
    r.updated(name)
    both(r, name, "get-function-code-response-after-update", "get-function-config-response-after-update")
    deleted = "update-function-code-delete-imageconfig-response"
    r.see(deleted, "update_function_configuration", FunctionName=name, ImageConfig={})
    r.updated(name)
    after = "response-after-delete-imageconfig"
    both(r, name, f"get-function-code-{after}", f"get-function-config-{after}")


@scenario(f"{IMAGES}zip_file_to_image")
def zip_to_image(r: Recorder) -> None:
    name = r.create("create-image-response", Handler="handler.handler")
    both(r, name, "get-function-code-response", "get-function-config-response")
    r.see("zipfile-to-image-error", "update_function_code", FunctionName=name, ImageUri=image(r))
    both(r, name, "get-function-code-response-after-update", "get-function-config-response-after-update")


@scenario(f"{IMAGES}image_versions")
def versions(r: Recorder) -> None:
    name = make(r, "create_image_response", Publish=True)
    r.active(name, Qualifier="1")
    made = r.see("get_function_result", "get_function", FunctionName=name)
    r.see("list_versions_result", "list_versions_by_function", FunctionName=name)
    for number, text, sha256 in (("first", "Second", made["Configuration"]["CodeSha256"]), ("second", "Third", "")):
        change = {"FunctionName": name, "Description": f"{text} version :)"}
        r.see(f"{number}_update_response", "update_function_configuration", **change)
        r.updated(name)
        r.see(f"{number}_update_get_function", "get_function", FunctionName=name)
        wanted = {"FunctionName": name, "Description": f"{text} version description :)"}
        if sha256:
            r.see("invalid_sha_publish", "publish_version", **wanted, CodeSha256="a" * 64)
            wanted["CodeSha256"] = sha256
        r.see(f"{number}_publish_response", "publish_version", **wanted)
