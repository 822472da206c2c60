"""A plan that is made early, with the real Terraform on a root that needs no provider."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fakes.terraform import PLAIN, REGION, project

from stepladder import terraform
from stepladder.core.aws import Aws
from stepladder.core.errors import RefusedError
from stepladder.settings.load import Settings
from stepladder.terraform import roots
from stepladder.terraform.early import EarlyRoot

pytestmark = [pytest.mark.terraform, pytest.mark.cloud]

IMAGE = f"repository@sha256:{'a' * 64}"
READS = PLAIN + (
    'data "terraform_remote_state" "other" {\n'
    '  backend = "local"\n'
    '  config  = { path = "${path.module}/../../other.tfstate" }\n'
    "}\n"
    'resource "terraform_data" "other" { input = data.terraform_remote_state.other.outputs }\n'
)
EMPTY = {"version": 4, "terraform_version": "1.10.0", "serial": 1, "lineage": "a", "outputs": {}, "resources": []}
_numbers = itertools.count(1)


class Site:
    """A project of its own name in the shared cloud, whose state bucket comes when a test makes it."""

    def __init__(self, cloud: Any, root: Path) -> None:
        self.root, self.s3, self.aws = root, cloud.client("s3"), Aws(REGION)
        self.settings: Settings = project(root, f"early-{os.getpid()}-{next(_numbers)}")
        self.write(PLAIN)
        self.at = roots.root(self.settings, "staging", "service")
        self.bucket = Event()

    def write(self, text: str) -> None:
        (self.root / "terraform" / "service" / "main.tf").write_text(text)

    def make_bucket(self) -> None:
        self.s3.create_bucket(Bucket=self.at.names.state_bucket)
        self.bucket.set()

    def early(self) -> EarlyRoot:
        """Return the root, planned as it is while a foundation is made."""
        early = EarlyRoot(self.at, self.aws, Event(), self.bucket)
        early.install()
        self.make_bucket()
        early.plan(lambda: IMAGE)
        return early

    def ensure(self, early: EarlyRoot | None = None) -> terraform.ApplyOutcome:
        return terraform.ensure(self.settings, "staging", "service", aws=self.aws, image_uri=IMAGE, early=early)

    def objects(self) -> list[str]:
        listed = self.s3.list_objects_v2(Bucket=self.at.names.state_bucket)
        return [each["Key"] for each in listed.get("Contents", ())]


@pytest.fixture
def site(cloud_env: Any, tmp_path: Path) -> Site:
    return Site(cloud_env, tmp_path)


def test_a_root_that_was_installed_without_a_state_is_planned_early_and_that_plan_applied(site: Site) -> None:
    early = site.early()
    assert early.saved
    assert site.objects() == [], "nothing is written, and no lock is left"
    outcome = site.ensure(early)
    assert (outcome.applied, outcome.plan_id) == (True, early.saved.id)
    assert site.objects() == ["staging/service.tfstate"]
    assert not site.ensure().applied


def test_a_plan_that_read_something_is_made_again(site: Site) -> None:
    site.write(READS)
    other = site.at.snapshot_dir.parent.parent / "other.tfstate"
    other.parent.mkdir(parents=True)
    other.write_text(json.dumps(EMPTY))
    early = site.early()
    assert (early.saved, site.at.plan_file.exists()) == (None, False)
    assert site.ensure(early).applied


def test_terraform_refuses_an_early_plan_when_somebody_applied_meanwhile(site: Site) -> None:
    early = site.early()
    kept = site.at.plan_file.read_bytes()
    assert site.ensure().applied
    site.at.plan_file.write_bytes(kept)
    with pytest.raises(RefusedError) as refused:
        site.ensure(early)
    assert refused.value.kind == "plan-stale"
