"""The checks of `inv doctor` that need no cloud, or ask it one thing; tests/local/test_doctor.py breaks the others."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.deploy_harness import FakeAws, FakeSts
from fakes.errors import error

from stepladder.core.clock import Clock
from stepladder.core.console import Console
from stepladder.doctor import (
    callers,
    identity,
    ledger_table,
    permissions,
    project_files,
    quotas,
    repository,
    secret_values,
    state_machine,
    tools,
    traffic,
)
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, WARNING
from stepladder.releases.rung import Rung
from stepladder.settings.load import load

ACCOUNT, REGION = "111122223333", "eu-west-1"
ROLE = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/me"


def made(tmp_path, clients: Any = None, *, now: float = 1_800_000_000.0, **settings: Any) -> DoctorContext:
    """A check's context: a project in a folder, and what fake clients answer."""
    location = {"account": ACCOUNT, "region": REGION}
    loaded = load(
        {"project": "hello", "environments": {"staging": location, "production": location}, **settings}, tmp_path
    )
    aws = FakeAws(clients or {})
    clock = Clock(now=lambda: now)
    rung = Rung(loaded, "staging", aws, Console(live=False), "inv doctor", clock)  # type: ignore[arg-type]
    return DoctorContext(tmp_path, loaded, rung, clock=clock)


def texts(findings) -> list[tuple[str, str]]:
    return [(each.level, f"{each.subject}: {each.problem}") for each in findings]


def answering(**answers: Any) -> Any:
    """A client whose calls return what is given, or raise it."""

    def answer(value: Any) -> Any:
        def call(**_: Any) -> Any:
            if isinstance(value, Exception):
                raise value
            return value

        return call

    return SimpleNamespace(**{name: answer(value) for name, value in answers.items()})


class TestTools:
    def test_a_terraform_that_is_none_is_named_with_what_to_do(self, tmp_path, monkeypatch):
        monkeypatch.setenv("STEPLADDER_TERRAFORM", "/nonexistent/terraform")
        ((level, text),) = texts(tools.terraform(made(tmp_path)))
        assert (level, "terraform: Terraform" in text) == (ERROR, True)

    def test_a_builder_that_needs_an_engine_wants_one_that_answers(self, tmp_path, monkeypatch):
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
        ((level, text),) = texts(tools.engine(made(tmp_path, image={"builder": "docker"})))
        assert (level, "no container engine answers" in text) == (ERROR, True)
        assert texts(tools.engine(made(tmp_path))) == []

    def test_a_project_without_a_commit_or_a_uv_is_told_so(self, tmp_path, monkeypatch):
        subjects = [text.partition(":")[0] for _, text in texts(tools.programs(made(tmp_path)))]
        assert subjects == ["git"]
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
        assert [text.partition(":")[0] for _, text in texts(tools.programs(made(tmp_path)))] == ["uv", "git"]


class TestProjectFiles:
    @pytest.mark.parametrize(
        ("python", "today", "says"),
        [
            ("3.11", date(2026, 11, 26), []),
            ("3.11", date(2027, 3, 1), ["AWS updates Python 3.11 until 2027-06-30"]),
            ("3.11", date(2027, 7, 1), ["AWS updates Python 3.11 no more, since 2027-06-30"]),
            ("3.13", date(2027, 7, 1), []),
        ],
    )
    def test_a_python_version_is_named_half_a_year_before_aws_ends_it(self, tmp_path, python, today, says):
        now = float(date.toordinal(today) - date(1970, 1, 1).toordinal()) * 86400
        findings = list(project_files.python_support(made(tmp_path, now=now, python=python)))
        assert [each.problem for each in findings] == says

    def test_the_library_that_runs_is_compared_with_the_one_that_is_pinned(self, tmp_path, monkeypatch):
        (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
        assert "are not locked" in texts(project_files.library(made(tmp_path)))[0][1]
        source = 'git = "https://example.com/x?rev=v1#0123456789abcdef"'
        (tmp_path / "uv.lock").write_text(f'[[package]]\nname = "stepladder"\nversion = "1"\nsource = {{ {source} }}\n')
        monkeypatch.setattr(project_files, "_running", lambda: "fedcba987654")
        assert texts(project_files.library(made(tmp_path))) == [
            (WARNING, "stepladder: stepladder fedcba987654 runs, and uv.lock pins 0123456789ab")
        ]
        monkeypatch.setattr(project_files, "_running", lambda: "0123456789ab")
        assert texts(project_files.library(made(tmp_path))) == []

    def test_a_lock_file_that_git_does_not_know_is_named(self, tmp_path):
        root = tmp_path / "terraform/service"
        root.mkdir(parents=True)
        (root / "versions.tf").touch()
        assert texts(project_files.providers(made(tmp_path)))[0][0] == NOTE
        (root / ".terraform.lock.hcl").write_text("# locked\n")
        git = ["git", "-c", "user.email=a@b", "-c", "user.name=n"]
        for command in (["init", "-q"], ["add", "terraform/service/versions.tf"], ["commit", "-qm", "x"]):
            subprocess.run([*git, *command], cwd=tmp_path, check=True)
        ((level, text),) = texts(project_files.providers(made(tmp_path)))
        assert (level, "git doesn't know it" in text) == (WARNING, True)
        subprocess.run([*git, "add", "-A"], cwd=tmp_path, check=True)
        assert texts(project_files.providers(made(tmp_path))) == []

    def test_roots_that_lock_different_versions_of_a_provider_are_named(self, tmp_path):
        for root, version in (("delivery", "5.99.0"), ("foundation", "5.100.0"), ("service", "5.100.0")):
            (tmp_path / "terraform" / root).mkdir(parents=True)
            provider = f'provider "registry.terraform.io/hashicorp/aws" {{\n  version     = "{version}"\n}}\n'
            (tmp_path / "terraform" / root / ".terraform.lock.hcl").write_text(provider)
        ((level, text),) = texts(project_files.provider_versions(made(tmp_path)))
        assert (level, "5.99.0 in delivery; 5.100.0 in foundation, service" in text) == (WARNING, True)


class TestQuotas:
    @pytest.mark.parametrize(
        ("limit", "used", "says"),
        [
            ({"TotalCodeSize": 100 * 1024**3, "ConcurrentExecutions": 1000}, 10, []),
            ({"TotalCodeSize": 100 * 1024**3, "ConcurrentExecutions": 1000}, 90, ["90 of 100 GB"]),
            ({"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 100}, 0, ["100 of the account's"]),
            ({"ConcurrentExecutions": 10}, 0, ["runs 10 calls at once"]),
        ],
        ids=["plenty", "code", "reserved", "a new account"],
    )
    def test_what_is_nearly_used_up_is_named(self, tmp_path, limit, used, says):
        answer = {"AccountLimit": limit, "AccountUsage": {"TotalCodeSize": used * 1024**3}}
        context = made(tmp_path, {"lambda": answering(get_account_settings=answer)})
        problems = [each.problem for each in quotas.of_lambda(context)]
        assert [text in problem for text, problem in zip(says, problems, strict=True)] == [True] * len(says)

    def test_roles_count_for_the_account(self, tmp_path):
        summary = {"SummaryMap": {"Roles": 900, "RolesQuota": 1000}}
        context = made(tmp_path, {"iam": answering(get_account_summary=summary)})
        assert texts(quotas.of_iam(context)) == [(WARNING, f"{ACCOUNT}: 900 of the account's 1000 roles are used")]


class TestPermissions:
    def context(self, tmp_path, arn: str, iam: Any) -> DoctorContext:
        sts = FakeSts()
        sts.get_caller_identity = lambda: {"Account": ACCOUNT, "Arn": arn}  # type: ignore[method-assign]
        return made(tmp_path, {"sts": sts, "iam": iam})

    def test_what_is_denied_is_named_by_its_resource(self, tmp_path):
        def simulate(*, PolicySourceArn, ActionNames, ResourceArns):  # noqa: N803 - AWS's names
            assert PolicySourceArn == f"arn:aws:iam::{ACCOUNT}:role/team/deployer"
            return {
                "EvaluationResults": [
                    {"EvalActionName": name, "EvalDecision": "implicitDeny" if name == "ecr:PutImage" else "allowed"}
                    for name in ActionNames
                ]
            }

        iam = answering(get_role={"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role/team/deployer"}})
        iam.simulate_principal_policy = simulate
        ((level, text),) = texts(permissions.permissions(self.context(tmp_path, ROLE, iam)))
        assert level == WARNING
        repository = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/hello"
        assert text == f"staging: these credentials may not call ecr:PutImage on {repository}"

    def test_who_may_not_ask_gets_a_note_and_a_root_is_not_asked_for(self, tmp_path):
        iam = answering(get_role=error("AccessDenied", 403))
        ((level, text),) = texts(permissions.permissions(self.context(tmp_path, ROLE, iam)))
        assert (level, "is unknown" in text) == (NOTE, True)
        root = self.context(tmp_path, f"arn:aws:iam::{ACCOUNT}:root", None)
        assert texts(permissions.permissions(root)) == []


class TestIdentity:
    def test_another_repository_than_git_s_remote_gets_no_credentials(self, tmp_path):
        subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
        remote = ["git", "remote", "add", "origin", "git@github.com:acme/renamed.git"]
        subprocess.run(remote, cwd=tmp_path, check=True)
        github = {"repository": "acme/orders", "owner_id": "1", "repository_id": "2"}
        ((level, text),) = texts(identity.repository(made(tmp_path, ci={"github": github})))
        assert (level, "the git remote is acme/renamed" in text) == (ERROR, True)
        (one,) = identity.repository(made(tmp_path, ci={"github": github}))
        fork = "`git remote add upstream https://github.com/acme/orders`"
        assert one.fix.endswith(f"if this is a fork: {fork}")
        subprocess.run(fork.strip("`").split(), cwd=tmp_path, check=True)
        assert texts(identity.repository(made(tmp_path, ci={"github": github}))) == []

    def test_a_repository_without_ids_has_a_subject_that_new_ones_do_not_send(self, tmp_path):
        ((level, text),) = texts(identity.repository(made(tmp_path, ci={"github": {"repository": "acme/orders"}})))
        assert (level, "is trusted by its name" in text) == (WARNING, True)
        assert texts(identity.repository(made(tmp_path))) == []


class TestRepository:
    def rules(self, tmp_path, *rules: tuple[str, str]) -> list[Any]:
        every = [
            {"rulePriority": number, "selection": {"tagStatus": status}, "action": {"type": act}}
            for number, (status, act) in enumerate(rules, 1)
        ]
        client = answering(
            describe_repositories={"repositories": [{"imageTagMutability": "IMMUTABLE"}]},
            get_lifecycle_policy={"lifecyclePolicyText": json.dumps({"rules": every})},
        )
        return list(repository.repository(made(tmp_path, {"ecr": client})))

    def test_a_rule_that_expires_tagged_images_is_an_error_and_one_of_untagged_ones_is_not(self, tmp_path):
        assert self.rules(tmp_path, ("untagged", "expire")) == []
        (one,) = self.rules(tmp_path, ("any", "expire"))
        where = f"--repository-name hello --region {REGION}"
        assert one.fix == f"delete it: `aws ecr delete-lifecycle-policy {where}`"

    def test_the_policy_is_not_deleted_with_the_rules_that_do_no_harm(self, tmp_path):
        (one,) = self.rules(tmp_path, ("untagged", "expire"), ("tagged", "expire"))
        assert "lifecycle rule 2 deletes" in one.problem
        assert "delete-lifecycle-policy" not in one.fix


@pytest.mark.parametrize(("enabled", "count"), [(True, 1), (False, 0)])
def test_an_event_source_that_the_settings_turn_off_is_as_it_should_be(tmp_path, monkeypatch, enabled, count):
    trigger = {"kind": "sqs", "queue_arn": f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders", "enabled": enabled}
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-staging:live"
    mapping = {"UUID": "u-1", "FunctionArn": arn, "EventSourceArn": trigger["queue_arn"], "State": "Disabled"}
    client = answering(list_event_source_mappings={"EventSourceMappings": [mapping]})
    context = made(tmp_path, {"lambda": client}, triggers=[trigger])
    monkeypatch.setattr(DoctorContext, "deployed", lambda own: (own.rung,))
    findings = list(callers.sources(context))
    assert [each.fix for each in findings] == [
        f"`aws lambda update-event-source-mapping --uuid u-1 --enabled --region {REGION}`"
    ] * count


class TestUrls:
    def test_a_second_url_past_the_alias_is_deleted_and_terraform_restores_a_lost_one(self, tmp_path):
        arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:hello-staging"
        statements = [{"Action": ["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"]}]
        fixes = {}
        for urls in ((arn, f"{arn}:live"), (arn,)):
            configured = [{"FunctionArn": each, "AuthType": "NONE"} for each in urls]
            client = answering(
                list_function_url_configs={"FunctionUrlConfigs": configured},
                get_policy={"Policy": json.dumps({"Statement": statements})},
            )
            rung = made(tmp_path, {"lambda": client}, trigger="url").rung
            (one,) = callers._urls(made(tmp_path, {"lambda": client}, trigger="url"), rung)
            fixes[len(urls)] = one.fix
        delete = f"aws lambda delete-function-url-config --function-name hello-staging --region {REGION}"
        assert fixes[2].endswith(f"`{delete}`")
        assert fixes[1].startswith("`inv tf.plan --env staging --root service`")


def test_a_state_machine_fits_its_definition_with_everything_that_terraform_fills_in():
    template = {"A": {"Resource": "arn:${partition}:x", "MaxConcurrency": 10, "List": ["${a}-${b}", 1]}}
    deployed = {"A": {"Resource": "arn:aws:x", "MaxConcurrency": 100, "Label": "release", "List": ["p-q", 1]}}
    assert state_machine._fits(template, deployed)
    assert not state_machine._fits(template, {"A": {**deployed["A"], "List": ["p-q", 2]}})
    assert not state_machine._fits(template, {"A": {**deployed["A"], "Resource": "arn:aws:y"}})
    assert not state_machine._fits(template, {**deployed, "B": 1})


def test_every_metric_of_an_alarm_counts_also_within_an_expression():
    metric = {"Namespace": "AWS/Lambda", "Dimensions": [{"Name": "FunctionName", "Value": "f"}]}
    other = {"Namespace": "Own", "Dimensions": []}
    alarm = {"Metrics": [{"Expression": "a/b"}, {"MetricStat": {"Metric": metric}}, {"MetricStat": {"Metric": other}}]}
    assert list(traffic._dimensions(alarm)) == [{"FunctionName": "f"}]
    assert list(traffic._dimensions(metric)) == [{"FunctionName": "f"}]


@pytest.mark.parametrize(
    ("arn", "qualifier"),
    [("arn:aws:lambda:r:1:function:f", ""), ("arn:aws:lambda:r:1:function:f:live", "live")],
)
def test_an_arn_s_qualifier_is_its_last_part_if_there_is_one(arn, qualifier):
    assert callers._qualifier(arn) == qualifier


def test_a_secret_without_a_value_is_an_error_once_its_function_is_deployed(tmp_path, monkeypatch):
    secret = SimpleNamespace(name="API_KEY", reference="ssm:/hello/staging/API_KEY")
    monkeypatch.setattr(secret_values.secret_check, "missing", lambda _rung: (secret,))
    context = made(tmp_path, function={"secrets": {"API_KEY": "ssm"}})
    snapshot = SimpleNamespace(exists=True, infra=None, current=None, destroying=None, lock=None)
    for applied, level in ((None, NOTE), (object(), ERROR)):
        ledger = {"staging": SimpleNamespace(**{**vars(snapshot), "infra": applied})}
        monkeypatch.setattr(DoctorContext, "ledger", lambda _self, ledger=ledger: ledger)
        (finding,) = secret_values.values(context)
        assert (finding.level, finding.fix) == (level, "`inv secrets.set API_KEY --env staging`")


def test_what_each_account_has_of_one_name_is_a_finding_of_each(tmp_path):
    elsewhere = {"account": "444455556666", "region": REGION}
    table = {"Table": {"DeletionProtectionEnabled": False}}
    backups = {"ContinuousBackupsDescription": {}}
    context = made(tmp_path, {"dynamodb": answering(describe_table=table, describe_continuous_backups=backups)})
    environments = {"staging": {"account": ACCOUNT, "region": REGION}, "production": elsewhere}
    two = replace(context, loaded=load({"project": "hello", "environments": environments}, tmp_path))
    alone, in_two = list(ledger_table.table(context)), list(ledger_table.table(two))
    assert {each.subject for each in alone} == {"hello-releases"}
    assert {each.subject for each in in_two} == {f"hello-releases in {ACCOUNT} {REGION}"}
    assert {each.safe.description for each in in_two if each.safe} >= {
        f"protect hello-releases in {ACCOUNT} {REGION} from deletion"
    }


def test_shared_reads_are_made_once_and_an_error_is_every_reader_s(tmp_path):
    context, calls = made(tmp_path), []

    def read() -> str:
        calls.append(1)
        return "read"

    assert [context.once("a", read), replace(context).once("a", read)] == ["read", "read"]
    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            context.once("b", lambda: (_ for _ in ()).throw(ValueError("no")))
    assert calls == [1]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('stepladder: [a\n  b: "\n', "line 2: expected ',' or ']', but got ':'"),
        ("stepladder: 5\n", "stepladder is 5; allowed: a mapping"),
        ("stepladder: {project: hello, pythn: 3}\n", "stepladder.pythn is not a setting"),
    ],
    ids=["no YAML", "no mapping", "no setting"],
)
def test_settings_that_cannot_be_read_are_a_finding_and_the_rest_is_checked(tmp_path, text, problem):
    (tmp_path / "invoke.yaml").write_text(text)
    (tmp_path / "tasks.py").write_text("from stepladder.collections import namespace\n\nns = namespace()\n")
    argv = [sys.executable, "-m", "invoke", "doctor", "--json"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    record = json.loads(done.stdout)
    assert (done.returncode, record["error_kind"]) == (1, "unhealthy"), done.stderr
    problems = {each["check"]: each["problem"] for each in reversed(record["findings"])}
    assert problem in problems["settings"]
    assert "programs" in problems, "the folder has no commit, which is checked all the same"
    assert "everything in AWS" in [each["check"] for each in record["unchecked"]]
