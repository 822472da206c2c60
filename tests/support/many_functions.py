"""A project with many functions on a running local cloud: one image with a handler for each, and one function apart.

Functions `f001`, `f002` and so on run one image. `solo` has an image of its own, so it can change alone. The AWS
resources are made by API instead of Terraform, and recorded as applied.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml
from live_project import CASE, DOCKERFILE, PYTHON, SERVICE, LiveProject

from stepladder.ledger.schema import InfraRecord
from stepladder.releases.adapters import ProjectImages, ProjectInfra

HANDLERS = """\
import json


def _answer(name):
    def handler(event, context):
        return {{"statusCode": 200, "body": json.dumps({{"says": "{says}", "name": name}})}}

    return handler


"""
SOLO = "functions/solo"


class ManyFunctions(LiveProject):
    """A project with `count` functions and its own one; `make()` before use."""

    seconds = 600.0

    def __init__(self, cloud: Any, root: Path, count: int = 100, architecture: str = "arm64") -> None:
        super().__init__(cloud, root, architecture)
        self.names = [f"f{number:03}" for number in range(1, count)] + ["solo"]

    def write(self) -> None:
        """Write the project's files."""
        super().write()
        path = self.root / "invoke.yaml"
        for file in ("main.tf", "variables.tf"):  # a foundation that takes the names of the functions
            (self.root / "terraform/foundation" / file).write_text((SERVICE.parent / "foundation" / file).read_text())
        raw = yaml.safe_load(path.read_text())["stepladder"]
        raw["functions"] = {name: self._function(name) for name in self.names}
        path.write_text(yaml.safe_dump({"stepladder": raw}))
        for context in ("function", SOLO):
            (self.root / context / "app").mkdir(parents=True, exist_ok=True)
            (self.root / context / "Dockerfile").write_text(DOCKERFILE.format(python=PYTHON))
            (self.root / context / "app/__init__.py").write_text("")
        self.say_solo("one")
        (self.root / "tests/smoke/answers.json").write_text(json.dumps(CASE))

    def _function(self, name: str) -> dict[str, Any]:
        own = {"image": {"context": SOLO}} if name == "solo" else {"function": {"handler": f"app.handler.{name}"}}
        return {**own, "smoke": {"path": "tests/smoke"}}

    def say(self, word: str) -> None:
        """Change what every function says but `solo`."""
        shared = ["handler", *(name for name in self.names if name != "solo")]
        lines = "".join(f'{name} = _answer("{name}")\n' for name in shared)
        (self.root / "function/app/handler.py").write_text(HANDLERS.format(says=word) + lines)

    def say_solo(self, word: str) -> None:
        """Change what `solo` says, whose image is its own."""
        text = HANDLERS.format(says=word) + 'handler = _answer("solo")\n'
        (self.root / SOLO / "app/handler.py").write_text(text)

    def _first(self, role: str) -> None:
        rung = self.rung()
        rungs = {name: rung.of_function(name) for name in rung.settings.function_names}
        with rung.console.step("image") as step:
            images = {name: ProjectImages(rungs[name]).prepare(step).reference for name in ("", "solo")}
        client = self.lambda_

        def make(name: str) -> None:
            function = rungs[name].names.function
            handler = rungs[name].settings.environment("staging").function.handler
            client.create_function(
                FunctionName=function,
                PackageType="Image",
                Code={"ImageUri": images.get(name, images[""])},
                Role=role,
                Architectures=[self.architecture],
                **({"ImageConfig": {"Command": [handler]}} if handler else {}),
            )
            self.wait(lambda: client.get_function(FunctionName=function)["Configuration"]["State"] == "Active", 60)
            client.create_alias(FunctionName=function, Name="live", FunctionVersion="$LATEST")

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(make, rungs))
        infra = ProjectInfra(rung)
        for environment, root in (("staging", "service"), (None, "foundation")):
            rung.ledger.record_infra(environment, InfraRecord(infra.inputs_hash(root), "plan", "2026-11-21T00:00:00Z"))

    def served(self, name: str) -> str:
        """What a function says behind its alias."""
        function = f"{self.function}-{name}" if name else self.function
        response = self.lambda_.invoke(FunctionName=function, Qualifier="live", Payload=b"{}")
        return str(json.loads(json.loads(response["Payload"].read())["body"])["says"])
