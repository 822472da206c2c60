"""What commands ask of a registry, request by request, and that the role of each one's job may do that there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import iam_ci
import pytest
from fakes import image_project
from fakes.image_harness import FakeAws, ImageHarness
from fakes.registry import FaultyRegistry

from localcloud.services.ecr.registry import permission
from stepladder import images
from stepladder.core import git
from stepladder.core.names import Names
from stepladder.images import contents
from stepladder.images.registry import ecr, upload

PREVIEWS = f"{iam_ci.IMAGES}-pr-images"
HERE = Names("demo", "staging", image_project.ACCOUNT, image_project.REGION)
AWAY = Names("demo", "production", image_project.ACCOUNT, "eu-central-1")


@pytest.fixture
def away(tmp_path: Path) -> Iterator[FaultyRegistry]:
    """The registry of another region."""
    with FaultyRegistry(tmp_path / "away") as running:
        yield running


def asked(aws: FakeAws) -> frozenset[str]:
    """Return what was asked since the last time, in the words of IAM."""
    of_project = [each for each in aws.registry.requests if "/v2/base/" not in each]
    actions = {permission(*each.split(" ", 1)) for each in of_project} | {f"ecr:{call}" for call in aws.calls}
    aws.registry.requests.clear()
    aws.calls.clear()
    return frozenset(actions - {""})


def test_each_command_asks_a_registry_for_what_its_role_is_given(
    image_harness: ImageHarness, away: FaultyRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = image_harness.aws, FakeAws(away)
    monkeypatch.setattr(upload, "_MONOLITHIC", 0)  # so that each layer is sent as a large one is
    monkeypatch.setattr(git, "tree", lambda *_: git.Tree("c0" * 20, ()))
    monkeypatch.setattr(git, "ask", lambda *_: None)
    digest = image_harness.prepare().digest
    seen = {"inv image.push": asked(here)}
    assert images.copy((here, HERE), (there, AWAY), digest, tmp_path)  # type: ignore[arg-type]
    seen["inv promote: the repository that it copies from"] = asked(here)
    seen["inv promote: a repository that it copies to"] = asked(there)
    settings = image_harness.settings
    assert {each.state for each in images.attest_of(here, HERE, digest, settings)} == {"ok", "missing"}  # type: ignore[arg-type]
    seen["inv image.verify"] = asked(here)
    repository = ecr.connect(here, HERE)  # type: ignore[arg-type]
    assert contents.of(repository, digest)
    seen["inv diff"] = asked(here)
    assert seen == iam_ci.REGISTRY


@pytest.mark.parametrize(
    ("command", "role", "repository"),
    [
        ("inv image.push", "deploy-staging", iam_ci.IMAGES),
        ("inv image.push", "preview", PREVIEWS),
        ("inv promote: the repository that it copies from", "deploy-production", iam_ci.IMAGES),
        ("inv image.verify", "deploy-production", iam_ci.IMAGES),
        *(("inv diff", role, iam_ci.IMAGES) for role in ("plan-production", "deploy-production", "release-staging")),
    ],
)
def test_the_role_of_a_command_may_ask_that_of_its_repository(command: str, role: str, repository: str) -> None:
    cases = [
        iam_ci.case(role, action, "*" if action == "ecr:GetAuthorizationToken" else repository, {})
        for action in sorted(iam_ci.REGISTRY[command])
    ]
    assert [case.name for case in cases if not case.decided().allowed] == []
