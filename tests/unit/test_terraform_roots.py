"""What Terraform is given: variables, backend, a snapshot of the code, and the hash of it all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fakes.terraform import ACCOUNT, REGION, project

from stepladder.core.errors import BadInputError, RefusedError
from stepladder.settings.load import DEFAULTS as SETTINGS
from stepladder.settings.load import Settings
from stepladder.terraform import files, inputs_hash, roots

DEFAULTS = SETTINGS["function"]
AT_ONCE = {"rungs": {"production": {"deployment": "AllAtOnce"}}}
IMAGE = f"repository@sha256:{'a' * 64}"


def test_the_service_gets_its_variables_from_the_settings(tmp_path: Path) -> None:
    settings = project(tmp_path, function={"memory_mb": 512, "environment": {"LOG_LEVEL": 'a "b" ${c}'}})
    at = roots.root(settings, "staging", "service")
    roots.write_inputs(at, IMAGE)
    assert json.loads(at.tfvars.read_text()) == {
        "account": ACCOUNT,
        "alarms": DEFAULTS["alarms"],
        "architecture": "arm64",
        "async": DEFAULTS["async"],
        "deployment": {"strategy": "all-at-once"},
        "environment": "staging",
        "environment_variables": {"LOG_LEVEL": 'a "b" ${c}'},
        "ephemeral_storage_mb": 512,
        "handler": "",
        "image_uri": IMAGE,
        "log_level": "INFO",
        "log_retention_days": 30,
        "managed_policies": {},
        "memory_mb": 512,
        "permissions": [],
        "project": "sample",
        "provisioned_concurrency": 0,
        "region": REGION,
        "reserved_concurrency": -1,
        "secrets": {},
        "secrets_key": "",
        "timeout_seconds": 15,
        "tracing": "PassThrough",
        "triggers": {"url-iam": {"this": {"cors": None, "streaming": False}}},
        "vpc": DEFAULTS["vpc"],
    }
    assert at.tfvars.relative_to(tmp_path).as_posix() == ".stepladder/staging/service.tfvars.json"
    assert at.backend.read_text() == (
        f'bucket       = "sample-tfstate-{ACCOUNT}-{REGION}"\n'
        "encrypt      = true\n"
        'key          = "staging/service.tfstate"\n'
        f'region       = "{REGION}"\n'
        "use_lockfile = true\n"
    )


ONE_TRIGGER = """
variable "queue" { type = any }
variable "schedule" { type = string }
variable "trigger" { type = string }
"""


def _of_an_earlier_release(settings: Settings) -> roots.Root:
    """Return the service root as a project has it that was made before there was a list of triggers."""
    at = roots.root(settings, "staging", "service")
    path = at.source_dir / "main.tf"
    path.write_text(path.read_text().replace('variable "triggers" { type = any }\n', ONE_TRIGGER))
    return at


def test_a_root_of_an_earlier_release_gets_the_one_trigger_that_it_knows(tmp_path: Path) -> None:
    settings = project(tmp_path, trigger="sqs", function={"queue": {"batch_size": 3}}, schedule="rate(2 days)")
    given = roots.variables(_of_an_earlier_release(settings))
    assert (given["trigger"], given["schedule"]) == ("sqs", "rate(2 days)")
    assert given["queue"] == DEFAULTS["queue"] | {"batch_size": 3}
    assert "triggers" not in given
    assert roots.variables(_of_an_earlier_release(project(tmp_path)))["trigger"] == "url-iam"


def test_a_root_of_0_1_0_gets_what_0_1_0_gave_it_while_no_later_setting_is_used(tmp_path: Path) -> None:
    """So the hash of its inputs stays, and a deploy runs no Terraform."""
    given = roots.variables(_of_an_earlier_release(project(tmp_path)))
    of_the_function = {"alarms", "environment_variables", "log_level", "log_retention_days", "memory_mb"}
    of_the_function |= {"reserved_concurrency", "timeout_seconds"}
    of_the_project = {"account", "architecture", "deployment", "environment", "image_uri", "project", "region"}
    assert given.keys() == of_the_function | of_the_project | {"schedule", "trigger"}


@pytest.mark.parametrize("triggers", [["url", "sqs"], []])
def test_a_list_of_triggers_reaches_the_module_where_the_root_is_of_an_earlier_release(
    tmp_path: Path, triggers: list[str]
) -> None:
    at = _of_an_earlier_release(project(tmp_path, triggers=triggers))
    with (at.source_dir / "main.tf").open("a") as code:
        code.write('module "service" {\n  source  = "../modules/service"\n  trigger = var.trigger\n}\n')
    edit(tmp_path / "terraform/modules/service/variables.tf", 'variable "triggers" { type = any }\n')
    roots.write_inputs(at)
    assert json.loads(at.tfvars.read_text())["trigger"] == ""
    given = json.loads(roots.override(at))["module"]["service"]
    assert {kind: list(keys) for kind, keys in given["triggers"].items()} == {kind: ["this"] for kind in triggers}


def test_triggers_that_refer_to_own_terraform_reach_the_module_as_templates(tmp_path: Path) -> None:
    bucket = "${aws_s3_bucket.in.id}"
    triggers = [
        {"kind": "s3", "bucket": bucket},
        {"kind": "eventbridge", "pattern": {"resources": ["${aws_s3_bucket.in.arn}"], "source": ["a%{b"]}},
    ]
    at = roots.root(project(tmp_path, triggers=triggers), "staging", "service")
    with (at.source_dir / "main.tf").open("a") as code:
        code.write('module "service" {\n  source   = "../modules/service"\n  triggers = var.triggers\n}\n')
    given = json.loads(roots.override(at))["module"]["service"]["triggers"]
    assert given["s3"]["this"]["bucket"] == {"aws_s3_bucket.in": bucket}
    pattern = given["eventbridge"]["this"]["pattern"]
    assert pattern == '{"resources":["${aws_s3_bucket.in.arn}"],"source":["a%%{b"]}'


def test_a_list_that_the_modules_of_the_project_do_not_know_is_refused(tmp_path: Path) -> None:
    at = _of_an_earlier_release(project(tmp_path, triggers=["sqs"]))
    with (at.source_dir / "main.tf").open("a") as code:
        code.write('module "service" {\n  source = "../modules/service"\n}\n')
    edit(tmp_path / "terraform/modules/service/variables.tf", 'variable "trigger" {}\n')
    with pytest.raises(BadInputError, match=r"modules are older than `stepladder\.triggers`"):
        roots.override(at)


def test_a_root_is_not_given_what_it_has_no_variable_for_and_the_module_does_anyway(tmp_path: Path) -> None:
    at = _of_an_earlier_release(project(tmp_path))
    path = at.source_dir / "main.tf"
    path.write_text(path.read_text().replace('variable "vpc" { type = any }\n', ""))
    assert "vpc" not in roots.variables(at)


def test_each_environment_is_shifted_logged_and_watched_as_the_settings_say(tmp_path: Path) -> None:
    where = {"account": ACCOUNT, "region": REGION}
    own = {"log_retention_days": 365, "reserved_concurrency": 20, "alarms": {"error_rate_percent": 2.5, "periods": 2}}
    settings = project(
        tmp_path,
        environments={"staging": where, "production": where | {"function": own}},
        function={"alarms": {"latency_p99_ms": 900}},
        promotion={"rungs": {"staging": {"deployment": "Linear20PercentEvery1Minute"}}},
    )
    staging, production = (roots.variables(roots.root(settings, name, "service")) for name in ("staging", "production"))
    assert staging["deployment"] == {"strategy": "linear", "percentage": 20, "interval_minutes": 1}
    assert production["deployment"] == {"strategy": "canary", "percentage": 10, "interval_minutes": 5}
    assert staging["alarms"] == DEFAULTS["alarms"] | {"latency_p99_ms": 900}
    assert production["alarms"] == staging["alarms"] | {"error_rate_percent": 2.5, "periods": 2}
    assert (production["log_retention_days"], production["reserved_concurrency"]) == (365, 20)


def test_provisioned_concurrency_outside_of_the_ladder_is_shifted_all_at_once(tmp_path: Path) -> None:
    where = {"account": ACCOUNT, "region": REGION}
    sandbox = where | {"function": {"provisioned_concurrency": 1}}
    settings = project(tmp_path, environments={"staging": where, "production": where, "sandbox": sandbox})
    assert roots.variables(roots.root(settings, "sandbox", "service"))["deployment"] == {"strategy": "all-at-once"}


def test_an_apply_that_could_not_provision_concurrency_leaves_a_hash_that_the_next_deploy_runs_terraform_for(
    tmp_path: Path,
) -> None:
    at = roots.root(project(tmp_path, function={"provisioned_concurrency": 1}, promotion=AT_ONCE), "staging", "service")
    assert roots.awaits_release(at, {"provisioned_concurrency": 0})
    assert roots.hash_of(at, unfinished=True) != inputs_hash(at.settings, "staging", "service")
    assert not roots.awaits_release(at, {"provisioned_concurrency": 1})
    assert at.again == "inv deploy --env staging"
    assert roots.root(at.settings, "production", "service").again == "inv promote --infra"
    assert not roots.awaits_release(roots.root(project(tmp_path), "staging", "service"), {"provisioned_concurrency": 0})


def test_without_an_image_a_digest_of_zeroes_stands_in(tmp_path: Path) -> None:
    at = roots.root(project(tmp_path), "staging", "service")
    assert roots.variables(at)["image_uri"] == f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/sample@{roots.NO_DIGEST}"


def test_the_foundation_is_the_same_from_every_environment(tmp_path: Path) -> None:
    settings = project(tmp_path)
    assert inputs_hash(settings, "staging", "foundation") == inputs_hash(settings, "production", "foundation")
    assert inputs_hash(settings, "staging", "service") != inputs_hash(settings, "production", "service")


def test_the_foundation_lets_the_functions_beside_it_pull_and_no_others(tmp_path: Path) -> None:
    here, elsewhere = {"account": ACCOUNT, "region": REGION}, {"account": ACCOUNT, "region": "eu-central-1"}
    environments = {"staging": here, "production": here, "other": elsewhere}
    settings = project(tmp_path, environments=environments)
    given = {env: roots.variables(roots.root(settings, env, "foundation"))["environments"] for env in environments}
    assert given == {
        "staging": ["production", "staging"],
        "production": ["production", "staging"],
        "other": ["other"],
    }


@pytest.mark.parametrize(
    ("env", "name", "message"),
    [
        ("nowhere", "service", "there is no environment 'nowhere'"),
        ("staging", "../service", r"there is no Terraform root '\.\./service'"),
        ("staging", "delivery", "the project has no Terraform root 'delivery'"),
    ],
)
def test_an_unknown_environment_or_root_is_bad_input(tmp_path: Path, env: str, name: str, message: str) -> None:
    with pytest.raises(BadInputError, match=message):
        roots.root(project(tmp_path), env, name)


@pytest.mark.parametrize(
    ("promotion", "judges"),
    [
        ({}, False),
        ({"deployment": [1, 25, 100]}, False),
        ({"canary": {"compare": True}}, True),
        ({"rungs": {"production": {"bake_minutes": 5, "bake_requests": 500}}}, True),
    ],
    ids=["as ever", "widths alone", "comparing", "counting"],
)
def test_verify_reads_metrics_only_where_a_rung_compares_or_counts(
    tmp_path: Path, promotion: dict[str, Any], judges: bool
) -> None:
    settings = project(tmp_path, promotion=promotion)
    at = roots.Root(settings, settings.environment("staging"), "delivery")
    assert roots.variables(at).get("judges_versions", False) is judges


def test_a_rung_of_several_widths_leaves_only_hotfixes_to_codedeploy(tmp_path: Path) -> None:
    settings = project(tmp_path, promotion={"deployment": [1, 25, 100]})
    service = roots.variables(roots.root(settings, "production", "service"))
    assert service["deployment"] == {"strategy": "all-at-once"}


def test_the_delivery_root_gets_the_rungs_in_order(tmp_path: Path) -> None:
    at = roots.Root(project(tmp_path), project(tmp_path).environment("staging"), "delivery")
    assert roots.variables(at)["rungs"] == [["staging"], ["production"]]


def edit(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


CHANGES: dict[str, Any] = {
    "the root's code": lambda root: edit(root / "terraform/service/more.tf", "# more"),
    "a template beside it": lambda root: edit(root / "terraform/service/policy.json", "{}"),
    "a module": lambda root: edit(root / "terraform/modules/service/main.tf", "# more"),
    "the lock file": lambda root: edit(root / "terraform/service/.terraform.lock.hcl", "# other"),
}
NO_CHANGES: dict[str, Any] = {
    "another root": lambda root: edit(root / "terraform/foundation/more.tf", "# more"),
    "Terraform's own folder": lambda root: edit(root / "terraform/service/.terraform/x", "x"),
    "a state left by hand": lambda root: edit(root / "terraform/service/terraform.tfstate", "{}"),
    "the handler": lambda root: edit(root / "function/app/handler.py", "x"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_the_hash_changes_with(tmp_path: Path, what: str) -> None:
    settings = project(tmp_path)
    before = inputs_hash(settings, "staging", "service")
    CHANGES[what](tmp_path)
    assert inputs_hash(settings, "staging", "service") != before


@pytest.mark.parametrize("what", NO_CHANGES)
def test_the_hash_does_not_change_with(tmp_path: Path, what: str) -> None:
    settings = project(tmp_path)
    before = inputs_hash(settings, "staging", "service")
    NO_CHANGES[what](tmp_path)
    assert inputs_hash(settings, "staging", "service") == before


def test_the_hash_changes_with_each_setting_that_terraform_sees(tmp_path: Path) -> None:
    variants = [
        {},
        {"function": {"memory_mb": 512}},
        {"function": {"environment": {"LOG_LEVEL": "x"}}},
        {"trigger": "sqs"},
        {"triggers": ["sqs", "url"]},
        {"architecture": "x86_64"},
    ]
    hashes = {inputs_hash(project(tmp_path, **raw), "staging", "service") for raw in variants}
    assert len(hashes) == len(variants)


def test_the_snapshot_holds_the_root_and_all_that_is_no_other_root_and_nothing_else(tmp_path: Path) -> None:
    at = roots.root(project(tmp_path), "staging", "service")
    edit(tmp_path / "terraform/modules/service/main.tf", "# module")
    edit(tmp_path / "terraform/shared/policy.json", "{}")
    edit(tmp_path / "terraform/service/.terraform/modules.json", "{}")
    edit(at.snapshot_dir / "left_by_a_killed_run.tf", "# old")
    roots.snapshot(at, {"extra.tf": "# extra"})
    there = {p.relative_to(at.snapshot_dir.parent).as_posix() for p in at.snapshot_dir.parent.rglob("*") if p.is_file()}
    assert there == {"service/main.tf", "service/extra.tf", "modules/service/main.tf", "shared/policy.json"}


def test_a_file_that_says_the_same_already_is_not_written_again(tmp_path: Path) -> None:
    path = files.write_json(tmp_path / "x.json", {"b": 1, "a": "é"})
    before = path.stat().st_mtime_ns
    files.write_json(path, {"a": "é", "b": 1})
    assert path.stat().st_mtime_ns == before
    assert path.read_text(encoding="utf-8") == '{\n  "a": "é",\n  "b": 1\n}\n'
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"]


def test_secrets_reach_the_module_of_a_root_that_an_earlier_version_made(tmp_path: Path) -> None:
    def earlier(**function: Any) -> roots.Root:
        at = roots.root(project(tmp_path, function=function), "staging", "service")
        (at.source_dir / "main.tf").write_text('module "service" {\n  source = "../modules/service"\n}\n')
        (at.source_dir / "variables.tf").write_text('variable "environment_variables" {\n  type = map(string)\n}\n')
        return at

    with_secret = earlier(secrets={"API_KEY": "ssm:/{env}/api"})
    assert json.loads(roots.override(with_secret))["module"]["service"]["secrets"] == {"API_KEY": "ssm:/staging/api"}
    without = earlier()
    assert not {"secrets", "secrets_key"} & roots.variables(without).keys(), "nothing changes there"
    assert roots.override(without) == ""


PREVIEWS = {"previews": {"enabled": True}}


def test_only_a_project_with_previews_tells_its_foundation_of_them(tmp_path: Path) -> None:
    without, enabled = project(tmp_path), project(tmp_path, **PREVIEWS)
    assert "previews" not in roots.variables(roots.root(without, "staging", "foundation"))
    assert roots.variables(roots.root(enabled, "staging", "foundation"))["previews"] is True
    assert inputs_hash(without, "production", "service") == inputs_hash(enabled, "production", "service")


def test_the_foundation_that_a_preview_sees_is_that_of_its_environment(tmp_path: Path) -> None:
    settings = project(tmp_path, **PREVIEWS)
    assert inputs_hash(settings, "pr-12", "foundation") == inputs_hash(settings, "staging", "foundation")


def test_a_preview_s_service_has_a_state_and_an_image_of_its_own(tmp_path: Path) -> None:
    at = roots.root(project(tmp_path, **PREVIEWS), "pr-12", "service")
    assert roots.backend_configuration(at)["key"] == "pr-12/service.tfstate"
    given = roots.variables(at)
    assert given["environment"] == "pr-12"
    assert "/sample-pr-images@" in given["image_uri"]
    assert at.again == at.command == "inv deploy --env pr-12"


def test_a_foundation_that_is_older_than_previews_says_so(tmp_path: Path) -> None:
    settings = project(tmp_path, **PREVIEWS)
    module = tmp_path / "terraform" / "modules" / "foundation"
    module.mkdir(parents=True, exist_ok=True)
    (module / "variables.tf").write_text('variable "project" {}\n')
    (tmp_path / "terraform" / "foundation" / "call.tf").write_text(
        'module "foundation" {\n  source = "../modules/foundation"\n}\n'
    )
    with pytest.raises(BadInputError, match=r"older than `stepladder\.previews`") as caught:
        roots.override(roots.root(settings, "staging", "foundation"))
    assert caught.value.kind == "old-modules"


def test_a_preview_has_no_delivery_root(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="pr-12 is a preview and on no rung"):
        roots.root(project(tmp_path, **PREVIEWS), "pr-12", "delivery")
