"""A root of a project with a Terraform that plays a script, ready to be planned and applied."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.terraform import FakeAws, FakeTerraform, project
from stepladder import terraform
from stepladder.settings.load import Settings
from stepladder.terraform import roots

IMAGE = f"repository@sha256:{'a' * 64}"


class TerraformHarness:
    def __init__(self, root: Path) -> None:
        self.fake = FakeTerraform(root / "fake")
        self.settings: Settings = project(root / "project")
        self.aws = FakeAws()
        self.at = roots.root(self.settings, "staging", "service")

    @property
    def where(self) -> tuple[Settings, str, str]:
        return self.settings, "staging", "service"

    def ensure(self, **options: Any) -> terraform.ApplyOutcome:
        return terraform.ensure(*self.where, aws=self.aws, image_uri=IMAGE, **options)  # type: ignore[arg-type]

    def plan(self, **options: Any) -> terraform.SavedPlan:
        return terraform.plan(*self.where, aws=self.aws, image_uri=IMAGE, **options)[0]  # type: ignore[arg-type]

    def apply(self, **options: Any) -> terraform.ApplyOutcome:
        return terraform.apply(*self.where, aws=self.aws, **options)  # type: ignore[arg-type]


def changes(*lines: Any) -> dict[str, Any]:
    return {"code": 2, "out": list(lines)}
