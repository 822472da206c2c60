"""What several unit tests share."""

import importlib
import io
import sys
import types
import zipfile

import pytest
from fakes import pipeline as fake_pipeline
from fakes.deploy_harness import DeployHarness
from fakes.image_harness import ImageHarness
from fakes.registry import FaultyRegistry
from fakes.terraform_harness import TerraformHarness

from stepladder.images import engine, retry
from stepladder.promotion import packages


@pytest.fixture
def harness(tmp_path, monkeypatch):
    """A project of which nothing is deployed yet, on fake AWS."""
    monkeypatch.delenv("CI", raising=False)
    return DeployHarness(tmp_path)


@pytest.fixture
def image_harness(tmp_path, monkeypatch):
    """A project whose image goes to a fake registry; no engine answers, and nobody waits between attempts."""
    monkeypatch.setattr(retry, "sleep", lambda _seconds: None)
    monkeypatch.setattr(engine, "find", lambda: None)
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


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory):
    """The pipeline's functions as Lambda has them: their packages, unpacked."""
    folder = tmp_path_factory.mktemp("pipeline")
    for package in packages.build_all():
        zipfile.ZipFile(io.BytesIO(package.data)).extractall(folder)
    return folder


@pytest.fixture
def pipeline(pipeline_folder, monkeypatch):
    """The pipeline's modules on a fake AWS, which is its `aws`."""
    monkeypatch.syspath_prepend(str(pipeline_folder))
    fake = fake_pipeline.FakeAws()
    aws = importlib.import_module("shared.aws")
    monkeypatch.setattr(aws, "client", fake.client)
    monkeypatch.setenv("LEDGER_TABLE", "orders-releases")
    monkeypatch.setenv("ARTIFACTS_BUCKET", "orders-artifacts")
    names = (
        "validate",
        "change",
        "image",
        "waiters",
        "verify",
        "gate",
        "hook",
        "probe",
        "smoke_cases",
        "rollback",
        "restore",
        "recover",
        "relay",
        "child",
        "outcome",
        "shared.errors",
        "shared.serving",
    )
    modules = {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    modules["smoke_cases"].load.cache_clear()
    yield types.SimpleNamespace(aws=fake, **modules)
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).startswith(str(pipeline_folder))]:
        del sys.modules[name]
