"""Fixtures of the harnesses: a module among fakes (tests/unit), or with real processes beside it (tests/process)."""

import forge_server
import pytest
from fakes.deploy_harness import DeployHarness
from fakes.image_harness import ImageHarness
from fakes.registry import FaultyRegistry
from fakes.terraform_harness import TerraformHarness

from stepladder.core import container_engine, retry
from stepladder.forge import api


@pytest.fixture
def harness(tmp_path, monkeypatch):
    """A project of which nothing is deployed yet, on fake AWS."""
    monkeypatch.delenv("CI", raising=False)
    return DeployHarness(tmp_path)


@pytest.fixture
def image_harness(tmp_path, monkeypatch):
    """A project whose image goes to a fake registry; no engine answers, and nobody waits between attempts."""
    monkeypatch.setattr(retry, "sleep", lambda _seconds: None)
    monkeypatch.setattr(container_engine, "find", lambda: None)
    for name in ("CI", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    with FaultyRegistry(tmp_path / "registry") as registry:
        yield ImageHarness(tmp_path / "project", registry)


@pytest.fixture
def live(harness):
    """A project that was deployed once."""
    harness.deploy()
    harness.applied.clear()
    harness.pushed.clear()
    return harness


@pytest.fixture
def terraform_harness(tmp_path, monkeypatch):
    """A root of a project, whose Terraform plays a script."""
    terraform_harness = TerraformHarness(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    for name, value in terraform_harness.fake.variables.items():
        monkeypatch.setenv(name, value)
    terraform_harness.fake.plays("output", {"out": ["{}"]})
    return terraform_harness


@pytest.fixture(scope="module")
def serving_forge():
    """A server that speaks the APIs of GitHub and GitLab."""
    with forge_server.serving() as forge:
        yield forge


@pytest.fixture
def forge(serving_forge, monkeypatch):
    """That server with nothing on it. Nobody waits between attempts: `waits` has the seconds that they would."""
    for kept in (serving_forge.entries, serving_forge.calls, serving_forge.tokens, serving_forge.faults):
        kept.clear()
    waits = []
    monkeypatch.setattr(api, "sleep", waits.append)
    monkeypatch.setattr(serving_forge, "waits", waits, raising=False)
    return serving_forge
