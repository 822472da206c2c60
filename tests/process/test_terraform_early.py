"""A root that is installed and planned beside the foundation, on a Terraform that plays a script."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path
from threading import Event, Thread
from typing import Any

import asking
import pytest
from fakes.terraform import change, diagnostic, event, project
from fakes.terraform_harness import IMAGE, TerraformHarness, changes

from stepladder import terraform
from stepladder.core import run_scope
from stepladder.core.errors import RefusedError
from stepladder.terraform import file_lock, foundation, providers, roots
from stepladder.terraform.early import EarlyRoot
from stepladder.terraform.runner import Runner

PLAN = changes(change("aws_x.y", "create"))
PROVIDER = """#!/bin/sh
touch "{seen}"
echo "TF_REATTACH_PROVIDERS='{{}}'"
exec sleep 60
"""
INSTALLING = """#!/bin/sh
test "$1" = version && echo '{{"terraform_version": "1.11.4"}}' && exit
place="$TF_DATA_DIR/providers/registry.terraform.io/hashicorp/aws/5.100.0"
mkdir -p "$place" && {install} "{mirror}" "$place/linux_amd64"
for _ in $(seq {tenths}); do test -e "{seen}" && echo begun >"{said}" && exit; sleep 0.1; done
"""


class Beside:
    """A service that is made ready early; its bucket is there from the beginning unless a test takes it away."""

    def __init__(self, harness: TerraformHarness) -> None:
        self.harness, self.fake = harness, harness.fake
        self.over, self.bucket = Event(), Event()
        self.root = EarlyRoot(harness.at, harness.aws, self.over, self.bucket)  # type: ignore[arg-type]
        self.bucket.set()
        self.fake.plays("plan", PLAN)

    def run(self, image: str = IMAGE) -> None:
        self.root.install()
        self.root.plan(lambda: image)

    def ensure(self) -> Any:
        return self.harness.ensure(early=self.root)


@pytest.fixture
def beside(terraform_harness: TerraformHarness) -> Beside:
    return Beside(terraform_harness)


def read(kind: str) -> dict[str, Any]:
    resource = {"addr": f"data.{kind}.this", "resource_type": kind}
    return event("apply_start", hook={"resource": resource, "action": "read"})


def test_the_plan_that_was_made_early_is_applied(beside: Beside) -> None:
    beside.run()
    assert not beside.harness.aws.objects, "nothing was written"
    outcome = beside.ensure()
    assert outcome.applied
    install, ready, plan, apply = beside.fake.calls
    assert install["argv"] == ["init", "-json", "-input=false", "-reconfigure", "-backend=false"]
    assert ready["argv"][-1] == f"-backend-config={beside.harness.at.backend}"
    assert "-lock=false" in plan["argv"]
    assert "-lock-timeout=60s" in apply["argv"]
    assert "terraform/service/.terraform.lock.hcl was written: commit it" in outcome.notes[0]


@pytest.mark.parametrize("changed", ["settings", "code", "image", "plan file"])
def test_an_early_plan_of_other_inputs_is_made_again(beside: Beside, changed: str) -> None:
    beside.run("repository@sha256:" + "b" * 64 if changed == "image" else IMAGE)
    at = beside.harness.at
    if changed == "settings":
        beside.harness.settings = project(beside.harness.settings.root, function={"memory_mb": 512})
        beside.root.at = type(at)(beside.harness.settings, at.environment, at.name)
    elif changed == "code":
        (at.source_dir / "more.tf").write_text("# more")
    elif changed == "plan file":
        at.plan_file.write_text("another plan")
    assert beside.ensure().applied
    assert beside.fake.verbs.count("plan") == 2


@pytest.mark.parametrize(
    ("kinds", "plans"),
    [
        pytest.param(("aws_partition", "aws_iam_policy_document"), 1, id="nothing of the account"),
        pytest.param(("aws_partition", "aws_dynamodb_table"), 2, id="something that the foundation may still change"),
        pytest.param(("external",), 2, id="what nobody knows"),
    ],
)
def test_an_early_plan_that_read_what_may_change_is_made_again(
    beside: Beside, kinds: tuple[str, ...], plans: int
) -> None:
    beside.fake.plays("plan", changes(*map(read, kinds), change("aws_x.y", "create")))
    beside.run()
    assert beside.harness.at.plan_file.exists() == (plans == 1)
    assert beside.ensure().applied
    assert beside.fake.verbs.count("plan") == plans


def test_an_early_plan_that_imports_is_made_again(beside: Beside) -> None:
    resource = {"addr": "aws_s3_bucket.own", "resource_type": "aws_s3_bucket"}
    imported = event("refresh_start", hook={"resource": resource, "id_value": "own"})
    beside.fake.plays("plan", changes(imported, change("aws_s3_bucket.own", "update")))
    beside.run()
    assert beside.ensure().applied
    assert beside.fake.verbs.count("plan") == 2


def test_it_is_planned_when_the_foundation_has_made_the_bucket(beside: Beside) -> None:
    beside.bucket.clear()
    settings = beside.harness.settings
    at = roots.root(settings, "staging", "foundation")
    made = event(
        "apply_complete", hook={"resource": {"addr": "aws_s3_bucket.state"}, "id_value": at.names.state_bucket}
    )
    beside.fake.plays("apply", {"out": [made]})
    thread = Thread(target=beside.run)
    thread.start()
    aws, early = beside.harness.aws, EarlyRoot(at, beside.harness.aws, beside.over, beside.bucket)  # type: ignore[arg-type]
    aws.objects["foundation.tfstate"] = b""
    asking.until(lambda: beside.fake.verbs, lambda verbs: verbs == ["init"])
    terraform.ensure(settings, "staging", "foundation", aws=aws, early=early)  # type: ignore[arg-type]
    thread.join(60)
    assert beside.root.saved


class First:
    """A foundation without a state that is made ready early."""

    def __init__(self, beside: Beside) -> None:
        self.harness, self.fake = beside.harness, beside.fake
        self.where = beside.harness.settings, "staging", "foundation"
        self.at = roots.root(*self.where)
        self.early = EarlyRoot(self.at, beside.harness.aws, beside.over, beside.bucket)  # type: ignore[arg-type]

    def ensure(self) -> terraform.ApplyOutcome:
        return terraform.ensure(*self.where, aws=self.harness.aws, early=self.early)  # type: ignore[arg-type]


@pytest.fixture
def first(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> First:
    """Its state is in the bucket as soon as it was applied."""
    monkeypatch.setattr(foundation, "state_exists", lambda _at, _aws: "apply" in beside.fake.verbs)
    return First(beside)


def test_a_first_foundation_is_planned_right_after_its_init(first: First) -> None:
    first.early.install()
    assert first.early.saved
    assert first.fake.verbs == ["init", "plan"]
    assert "-lock=false" in first.fake.calls[1]["argv"]
    assert str(first.at.local_state) in (first.at.snapshot_dir / "stepladder_override.tf").read_text()
    outcome = first.ensure()
    assert (outcome.applied, outcome.plan_id) == (True, first.early.saved.id)
    assert first.fake.verbs == ["init", "plan", "apply", "init"]


def test_a_first_foundation_whose_code_changes_meanwhile_is_planned_again(first: First) -> None:
    first.early.install()
    (first.at.source_dir / "more.tf").write_text("# more")
    assert first.ensure().applied
    assert first.fake.verbs.count("plan") == 2


def test_a_first_foundation_that_reads_the_account_is_planned_in_its_turn(first: First) -> None:
    first.fake.plays("plan", changes(read("aws_iam_openid_connect_provider"), change("aws_x.y", "create")))
    first.early.install()
    assert (first.early.saved, first.at.plan_file.exists()) == (None, False)
    assert first.ensure().applied


def test_a_foundation_that_was_begun_is_planned_in_its_turn(first: First) -> None:
    first.at.local_state.parent.mkdir(parents=True, exist_ok=True)
    first.at.local_state.write_text("{}")
    first.early.install()
    assert first.fake.verbs == ["init"]


def test_a_first_foundation_is_planned_for_a_state_on_disk_whatever_was_initialised_before(first: First) -> None:
    terraform.plan(*first.where, aws=first.harness.aws)  # type: ignore[arg-type]
    first.at.manifest.unlink()
    first.early.install()
    assert first.early.saved
    assert first.fake.verbs == ["init", "plan", "plan"]
    assert "stepladder_override.tf" in first.fake.calls[2]["files"]


def test_what_a_refused_deployment_has_planned_is_applied_by_nothing_else(first: First) -> None:
    first.early.install()
    with pytest.raises(RefusedError, match="there is no saved plan of staging/foundation"):
        terraform.apply(*first.where, aws=first.harness.aws)  # type: ignore[arg-type]


def test_a_plan_that_a_person_has_saved_outlives_a_refused_deployment(first: First) -> None:
    saved, _ = terraform.plan(*first.where, aws=first.harness.aws)  # type: ignore[arg-type]
    first.early.install()
    assert terraform.apply(*first.where, aws=first.harness.aws).plan_id == saved.id  # type: ignore[arg-type]


@pytest.mark.parametrize("where", ["disk", "bucket"])
def test_a_first_foundation_that_another_run_begins_meanwhile_is_planned_again(
    first: First, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    first.early.install()
    if where == "disk":
        first.at.local_state.write_text("{}")
    else:
        monkeypatch.setattr(foundation, "state_exists", lambda _at, _aws: True)
    assert first.ensure().applied
    assert first.fake.verbs.count("plan") == 2
    assert "stepladder_override.tf" not in first.fake.calls[-1]["files"], "its state is in the bucket"


def test_a_foundation_whose_state_has_moved_already_is_planned_there(beside: Beside) -> None:
    settings, aws = beside.harness.settings, beside.harness.aws
    at = roots.root(settings, "staging", "foundation")
    aws.objects["foundation.tfstate"] = b""
    EarlyRoot(at, aws, beside.over, beside.bucket).install()  # type: ignore[arg-type]
    terraform.plan(settings, "staging", "foundation", aws=aws)  # type: ignore[arg-type]
    assert beside.fake.verbs == ["init", "init", "plan"]
    assert beside.fake.calls[1]["argv"][-1] == f"-backend-config={at.backend}"
    assert "stepladder_override.tf" not in beside.fake.calls[2]["files"]


@pytest.mark.parametrize(("install", "tenths", "begun"), [("ln -s", 200, True), ("cp -r", 5, False)])
def test_the_provider_begins_beside_the_checksums_once_it_is_linked(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: str, tenths: int, begun: bool
) -> None:
    mirror, seen, said = tmp_path / "mirror", tmp_path / "seen", tmp_path / "said"
    mirror.mkdir()
    provider, player = mirror / "terraform-provider-aws_v5.100.0_x5", tmp_path / "terraform"
    provider.write_text(PROVIDER.format(seen=seen))
    player.write_text(INSTALLING.format(install=install, mirror=mirror, seen=seen, said=said, tenths=tenths))
    for script in (provider, player):
        script.chmod(0o755)
    monkeypatch.setenv("STEPLADDER_TERRAFORM", str(player))
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    with run_scope.opened():
        beside.root.install()
    assert said.exists() == begun, "a provider that is unpacked in its place may be half written"
    assert seen.exists(), "it is begun after init at the latest"


def test_a_provider_that_cant_begin_beside_init_is_silent(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    player, mirror, seen, said = (tmp_path / name for name in ("terraform", "mirror", "seen", "said"))
    mirror.mkdir()
    player.write_text(INSTALLING.format(install="ln -s", mirror=mirror, seen=seen, said=said, tenths=200))
    player.chmod(0o755)
    monkeypatch.setenv("STEPLADDER_TERRAFORM", str(player))
    tracebacks: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", tracebacks.append)

    def start(_runner: Runner) -> None:
        seen.touch()
        raise RuntimeError("the role can't be assumed")

    monkeypatch.setattr(Runner, "start_provider", start)
    beside.root.install()
    assert seen.exists()
    assert tracebacks == []


def test_who_waits_for_a_plugin_cache_ends_when_nobody_wants_its_providers(
    beside: Beside, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another project's `init` may download for minutes."""
    monkeypatch.setenv("TF_PLUGIN_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("TF_CLI_CONFIG_FILE", "TERRAFORM_CONFIG", providers.VARIABLE):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(providers, "_discovered", lambda *_: None)
    (tmp_path / "cache").mkdir()
    with (tmp_path / "cache" / ".stepladder.lock").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        thread = Thread(target=beside.root.install, daemon=True)
        thread.start()
        thread.join(0.5)
        assert thread.is_alive(), "it waits for the other"
        beside.over.set()
        thread.join(20)
        assert not thread.is_alive()
    assert "init" not in beside.fake.verbs


def test_without_a_bucket_of_the_account_nothing_is_planned(beside: Beside) -> None:
    beside.harness.aws.bucket_is_missing = True
    beside.run()
    assert beside.fake.verbs == ["init"]


def test_without_the_image_only_the_providers_are_installed(beside: Beside) -> None:
    beside.run("")
    beside.ensure()
    assert beside.fake.verbs == ["init", "init", "plan", "apply"]


def test_when_all_is_over_nothing_more_begins(beside: Beside) -> None:
    beside.root.install()
    beside.over.set()
    beside.root.plan(lambda: IMAGE)
    assert beside.fake.verbs == ["init"]


@pytest.mark.parametrize("verb", ["init", "plan"])
def test_what_fails_early_fails_in_its_turn_with_its_own_words(beside: Beside, verb: str) -> None:
    beside.fake.plays(verb, {"code": 1, "out": [diagnostic("Broken", "In two.")]})
    beside.run()
    with pytest.raises(Exception, match="Broken: In two"):
        beside.ensure()


def test_a_lost_resource_is_refused_as_in_any_plan(beside: Beside) -> None:
    beside.fake.plays("plan", changes(change("module.service.aws_dynamodb_table.x", "delete")))
    beside.run()
    with pytest.raises(RefusedError):
        beside.ensure()
    assert "apply" not in beside.fake.verbs


def test_after_a_killed_run_nothing_is_done_early(beside: Beside, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(KeyboardInterrupt), file_lock.hold(beside.harness.at, wait=0):
        raise KeyboardInterrupt
    monkeypatch.setattr(file_lock, "is_dead", lambda _process: True)
    beside.run()
    assert beside.fake.verbs == []
