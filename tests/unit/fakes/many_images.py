"""A project with several functions, some with images of their own, and a registry for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakes import image_project as project
from fakes.image_harness import ImageHarness
from stepladder import images
from stepladder.core.step import Step
from stepladder.images.model import BuiltImage
from stepladder.settings.load import Settings

MAILER = "def handler(event, context):\n    return 'mailed'\n"


def own(name: str, **more: Any) -> dict[str, Any]:
    return {"image": {"context": f"functions/{name}"}, **more}


def context(name: str, handler: str = MAILER) -> dict[str, str]:
    """Return the files of a function with an image of its own."""
    folder = f"functions/{name}"
    return {
        f"{folder}/Dockerfile": project.DOCKERFILE,
        f"{folder}/.dockerignore": "*\n!app\n!requirements.txt\n",
        f"{folder}/requirements.txt": "",
        f"{folder}/app/__init__.py": "",
        f"{folder}/app/handler.py": handler,
    }


class ManyImages:
    """A project with several functions."""

    def __init__(self, harness: ImageHarness) -> None:
        self.harness, self.step = harness, Step("image")

    def write(self, functions: Mapping[str, Any], files: dict[str, str] | None = None, **settings: Any) -> Settings:
        return self.harness.write(files, functions=dict(functions), **settings)

    def views(self, *names: str) -> dict[str, Settings]:
        whole = self.harness.settings
        return {name: whole.of_function(name) for name in names or whole.function_names}

    def prepare(self, *names: str, **options: Any) -> dict[str, BuiltImage]:
        self.step = Step("image")
        self.harness.aws.calls.clear()
        self.harness.registry.requests.clear()
        return images.prepare_all(
            self.views(*names),
            self.harness.aws,  # type: ignore[arg-type]
            self.step,
            "staging",
            say=self.harness.printed.append,
            **options,
        )
