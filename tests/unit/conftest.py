"""What several unit tests share."""

import importlib
import io
import sys
import types
import zipfile
from pathlib import Path

import alone
import pytest
from fakes import pipeline as fake_pipeline
from harnesses import forge, harness, image_harness, live, serving_forge, terraform_harness  # noqa: F401 - fixtures

from stepladder.core import git, interpreters
from stepladder.terraform import function_packages


@pytest.fixture(autouse=True)
def alone_in_its_process(monkeypatch):
    """Fail a test that starts a process or reaches outside of its own.

    git is known to find nothing where there is no `.git`, and the only Python is the one that runs.
    """
    ask = git.tree

    def tree(root, paths):
        return ask(root, paths) if any((folder / ".git").exists() for folder in (root, *root.parents)) else None

    monkeypatch.setattr(git, "tree", tree)
    monkeypatch.setattr(interpreters, "find", {interpreters.running(): Path(sys.executable)}.get)
    with alone.kept():
        yield


@pytest.fixture(scope="session")
def pipeline_folder(tmp_path_factory):
    """The pipeline's functions as Lambda has them: their packages, unpacked."""
    folder = tmp_path_factory.mktemp("pipeline")
    for package in function_packages.build_all():
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
        "gates",
        "concurrency",
        "hook",
        "probe",
        "send_command",
        "smoke_run",
        "rollback",
        "restore",
        "recover",
        "relay",
        "child",
        "outcome",
        "notice",
        "failure",
        "flag",
        "shared.errors",
        "shared.serving",
    )
    modules = {name.rpartition(".")[2]: importlib.import_module(name) for name in names}
    modules["smoke_run"].load.cache_clear()
    yield types.SimpleNamespace(aws=fake, aws_module=aws, **modules)
    for name in [n for n, m in sys.modules.items() if str(getattr(m, "__file__", "")).startswith(str(pipeline_folder))]:
        del sys.modules[name]
