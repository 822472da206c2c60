"""The command line from outside: what it loads, and what a person reads when something is wrong before the work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
OWN = {"account": "111122223333", "region": "eu-west-1"}
ALIEN = ("AWS_", "INVOKE_", "PYTHONDONTWRITEBYTECODE", "STEPLADDER_", "TF_")


def _invoke(folder, *arguments, options=(), **env):
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ALIEN)}
    return subprocess.run(
        [sys.executable, *options, "-m", "invoke", *arguments],
        cwd=folder,
        env={**kept, "AWS_EC2_METADATA_DISABLED": "true", **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="session")
def fresh(tmp_path_factory):
    """A project as `inv new` makes it."""
    folder = tmp_path_factory.mktemp("projects")
    answers = ("--no-input", "--project-name", "hello", "--python-version", f"3.{sys.version_info.minor}")
    made = _invoke(ROOT, "new", *answers, "--output", str(folder))
    assert made.returncode == 0, made.stderr
    return folder / "hello"


@pytest.fixture
def project(fresh):
    """The project, whose invoke.yaml a test may change."""
    settings = (fresh / "invoke.yaml").read_text()
    yield fresh
    (fresh / "invoke.yaml").write_text(settings)


def _mend(project, **changes):
    content = yaml.safe_load((project / "invoke.yaml").read_text())
    content["stepladder"] |= changes
    (project / "invoke.yaml").write_text(yaml.safe_dump(content))


def _cached(folder):
    return {path.name.partition(".")[0] for path in folder.rglob("*.pyc")}


def test_a_command_keeps_the_byte_code_of_what_it_imports(project, tmp_path):
    """Nothing else compiles a project's packages, and Invoke itself turns byte code off."""
    _invoke(project, "status", AWS_ENDPOINT_URL="http://127.0.0.1:9", PYTHONPYCACHEPREFIX=str(tmp_path))
    assert {"task", "rung", "load", "excepthook"} <= _cached(tmp_path)


@pytest.mark.parametrize("refusal", [{"PYTHONDONTWRITEBYTECODE": "1"}, {"options": ("-B",)}], ids=str)
def test_a_person_who_wants_no_byte_code_gets_none(project, tmp_path, refusal):
    assert _invoke(project, "--list", PYTHONPYCACHEPREFIX=str(tmp_path), **refusal).returncode == 0
    assert _cached(tmp_path) == set()


def test_a_broken_invoke_yaml_is_told_with_every_problem(project):
    _mend(project, python="2.7", architecture="ia64", rungs=["nowhere"], function={"memory_mb": 1}, colour="blue")
    done = _invoke(project, "status")
    assert done.returncode == 2
    for key in ("python is '2.7'", "architecture is 'ia64'", "rungs is 'nowhere'", "function.memory_mb is 1", "colour"):
        assert f"- stepladder.{key}" in done.stderr
    assert f"fix them in `{project / 'invoke.yaml'}`" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stepladder: [", "invoke.yaml, line 1: "),
        ("stepladder:\n  project: a\n   python: b\n", "invoke.yaml, line 3: "),
        ("stepladder: 3\n", "stepladder is 3; allowed: a mapping"),
        ("stepladder:\n  function: big\n", "stepladder.function is 'big'; allowed: a mapping"),
        ("- stepladder\n", "invoke.yaml is ['stepladder']; allowed: a mapping"),
        (
            "stepladder:\n  triggers: {kind: url}\n",
            "stepladder.triggers is {'kind': 'url'}; allowed: text, a number or a list",
        ),
        (
            "stepladder:\n  environments:\n    no: {a: 1}\n",
            "line 3: the key no is no text to YAML but a bool",
        ),
        ("1: x\n", 'line 1: the key 1 is no text to YAML but a int; write it as "1"'),
        ("stepladder:\n\tpython: 1\n", "line 2: found character '\\t'"),
        ("stepladder: 'a\n", "invoke.yaml, line 2: found unexpected end of stream"),
        ("stepladder: 2021-13-45\n", "line 1: 2021-13-45 can't be read: month must be in 1..12"),
        ("a: b\nstepladder: \x01\n", "line 2: special characters are not allowed: '\\x01'"),
        ("stepladder: &a {b: *a}\n", "line 1: an alias of something that it is part of"),
        (b"# caf\xe9\n", "invoke.yaml:1: byte 0xE9 is not UTF-8"),
        ("stepladder: {}\n".encode("utf-16"), "invoke.yaml: is UTF-16"),
    ],
)
def test_a_file_that_isn_t_even_settings_is_explained_without_a_traceback(project, text, said):
    (project / "invoke.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    done = _invoke(project, "status")
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("ARCHITECTURE", "ia64", "stepladder.architecture is 'ia64'"),
        ("FUNCTION_MEMORY_MB", "64", "stepladder.function.memory_mb is 64; allowed: a whole number from 128"),
        ("ENVIRONMENTS_STAGING_REGION", "the moon", "stepladder.environments.staging.region is 'the moon'"),
        ("PROMOTION_BAKE_MINUTES", "-1", "stepladder.promotion.bake_minutes is -1"),
        ("FUNCTION_MEMORY_MB", "lots", "INVOKE_STEPLADDER_FUNCTION_MEMORY_MB is 'lots'; allowed: a number"),
        ("RUNGS", "staging", "INVOKE_STEPLADDER_RUNGS is 'staging'; allowed: nothing: a list can only stand"),
        ("FUNCTION_MEMORY", "512", "INVOKE_STEPLADDER_FUNCTION_MEMORY is set, and no setting has that name"),
    ],
)
def test_a_variable_overrides_its_setting_and_is_checked_like_it(project, variable, value, said):
    done = _invoke(project, "status", **{f"INVOKE_STEPLADDER_{variable}": value})
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_an_override_that_is_right_takes_effect(project):
    _mend(project, architecture="ia64")
    done = _invoke(project, "deploy", "--env", "nowhere", INVOKE_STEPLADDER_ARCHITECTURE="x86_64")
    assert "there is no environment 'nowhere'" in done.stderr, "the settings were read, and were right"


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("deplyo --env staging", "did you mean `inv deploy`?"),
        ("deploy production", "`inv deploy --env production`"),
        ("--dry deploy --env staging", "`inv deploy --env staging --dry-run`"),
    ],
)
def test_the_program_that_people_start_explains_a_slip(project, typed, hint):
    done = _invoke(project, *typed.split(), AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 2
    assert hint in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_environment_is_told_with_the_known_ones(project):
    done = _invoke(project, "deploy", "--env", "stagin")
    assert done.returncode == 2
    assert "error: there is no environment 'stagin'" in done.stderr
    assert "known environments: staging, production" in done.stderr


@pytest.mark.timing("a whole process is bounded to 25 s")
@pytest.mark.parametrize("command", ["deploy --env staging", "status", "tf.plan --env staging", "promote"])
def test_a_local_cloud_that_isn_t_up_is_told_at_once(project, command):
    started = time.monotonic()
    done = _invoke(project, *command.split(), AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert done.returncode == 6
    assert "error: the local cloud doesn't answer at http://127.0.0.1:9" in done.stderr
    assert "or `unset AWS_ENDPOINT_URL AWS_ACCESS_KEY_ID" in done.stderr, "the local cloud's keys are none of AWS's"
    assert "start it with `inv local.up`" in done.stderr
    assert "Traceback" not in done.stderr
    assert time.monotonic() - started < 25  # the SDK would try for half a minute


@pytest.mark.parametrize("command", ["deploy --env staging", "status", "function.invoke --env staging"])
def test_missing_credentials_are_told_with_what_to_do(project, tmp_path, command):
    _mend(project, environments=dict.fromkeys(("staging", "production"), OWN))
    nobody = {"HOME": str(tmp_path), "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    done = _invoke(project, *command.split(), **nobody)
    assert done.returncode == 6
    assert "error: there are no AWS credentials that work (NoCredentialsError)" in done.stderr
    assert "AWS_PROFILE" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("command", "endpoint"),
    [
        ("deploy --env staging", {}),
        ("deploy --env staging", {"AWS_ENDPOINT_URL": "https://lambda.eu-west-1.amazonaws.com"}),
        ("deploy --env staging --dry-run", {}),
        ("function.release --env staging --digest sha256:0", {}),
        ("image.push", {}),
        ("promote", {}),
        ("rollback --env staging", {}),
        ("tf.apply --env staging", {}),
    ],
)
def test_the_template_s_example_account_is_refused_on_aws_before_anything(project, command, endpoint):
    before = sorted(project.rglob("*"))
    done = _invoke(project, *command.split(), **endpoint)
    assert done.returncode == 2
    assert "is 123456789012, the template's example" in done.stderr
    assert "set stepladder.environments.staging.account" in done.stderr
    assert str(project / "invoke.yaml") in done.stderr
    assert sorted(project.rglob("*")) == before


def test_an_account_of_one_s_own_is_not_refused_for_what_another_rung_has(project):
    _mend(project, environments={"staging": OWN, "production": OWN | {"account": "123456789012"}})
    nobody = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
    assert _invoke(project, "deploy", "--env", "staging", **nobody).returncode == 6
    refused = _invoke(project, "promote", **nobody)
    assert refused.returncode == 2
    assert "the account of production is 123456789012" in refused.stderr


@pytest.mark.cloud
def test_expired_credentials_are_told_with_their_code(project, cloud):
    """The front answers for every service, so the first call that a command makes is refused."""
    cloud.faults({"service": "*", "action": "*", "kind": "error", "code": "ExpiredToken", "status": 403, "count": 0})
    try:
        done = _invoke(project, "deploy", "--env", "staging", **cloud.env)
    finally:
        cloud.faults()
    assert done.returncode == 6
    assert "error: there are no AWS credentials that work (ExpiredToken)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.cloud
@pytest.mark.parametrize("found", ["nothing", "an old one"])
def test_without_a_good_terraform_it_says_what_to_install(project, cloud, tmp_path, found):
    terraform = tmp_path / "terraform"
    if found == "an old one":
        terraform.write_text('#!/bin/sh\necho \'{"terraform_version": "1.5.7"}\'\n')
        terraform.chmod(0o755)
    done = _invoke(project, "deploy", "--env", "staging", **cloud.env, STEPLADDER_TERRAFORM=str(terraform))
    assert done.returncode == 6
    assert "error: Terraform >= 1.10, < 2 is needed" in done.stderr
    assert "https://developer.hashicorp.com/terraform/install" in done.stderr
    assert "Traceback" not in done.stderr


def test_output_that_nobody_reads_any_more_is_no_bug(project):
    argv = [sys.executable, "-m", "invoke", "--list"]
    with subprocess.Popen(argv, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        run.stdout.close()
        assert run.stderr.read() == ""
        assert run.wait(60) == 141


def test_an_exception_that_nobody_expected_keeps_its_traceback_and_says_so(project, tmp_path):
    for name in ("tasks.py", "invoke.yaml"):
        (tmp_path / name).write_text((project / name).read_text())
    with (tmp_path / "tasks.py").open("a") as tasks:
        tasks.write("\n\nfrom invoke import task\n\n@task\ndef oops(c):\n    1 / 0\n\nns.add_task(oops)\n")
    done = _invoke(tmp_path, "oops")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert done.stderr.index("Traceback") < done.stderr.index(
        "error: unexpected ZeroDivisionError: this is a bug in stepladder"
    )


def test_a_deploy_begins_without_what_only_a_change_needs():
    code = "import stepladder.commands.deploy_chosen, stepladder.releases.adapters, sys; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    imported = {name for name in done.stdout.split() if name.startswith("stepladder.")}
    acting = {"release", "finish", "failed_run", "preview", "drift", "release_command", "secret_check", "cut_off"}
    others = {"commands.deploy_many", "commands.preview_deploy", "commands.many_report", "secrets.store"}
    assert imported.isdisjoint(f"stepladder.{name}" for name in {f"releases.{each}" for each in acting} | others)
    assert "botocore.session" not in done.stdout.split()
