"""`inv tf.drift` as the task prints it, and what it leaves for the issue."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import NoCredentialsError
from fakes.deploy_harness import DeployHarness
from fakes.lambda_ import ACCOUNT, REGION

from stepladder.commands import drift_report, infra_drift
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, DriftError, ExitCode, NotReadyError, StepladderError
from stepladder.releases.rung import Rung
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.load import Settings, load
from stepladder.terraform import drift
from stepladder.terraform.drift import ResourceDifference, RootDrift
from stepladder.terraform.planning import NoStateError
from stepladder.terraform.redaction import AttributeChange

FUNCTION = "module.service.aws_lambda_function.this"
MEMORY = ResourceDifference(FUNCTION, "aws_lambda_function", "changed", (AttributeChange("memory_size", "256", "512"),))
GONE = ResourceDifference("module.service.aws_iam_role.this", "aws_iam_role", "deleted")
OWN = ResourceDifference("aws_sqs_queue.jobs", "aws_sqs_queue", "create")

PLACE = {"account": ACCOUNT, "region": REGION}


class Roots:
    """What each root's check finds, by `staging/service`; an exception is raised."""

    def __init__(self, harness: DeployHarness) -> None:
        self.harness = harness
        self.results: dict[str, RootDrift | Exception] = {}
        self.recorded: dict[str, str] = {}
        for root in ("foundation", "service", "delivery"):
            folder = harness.root / "terraform" / root
            folder.mkdir(parents=True)
            (folder / "main.tf").write_text("")

    def find(self, _settings: Any, env: str, root: str, *, recorded: str, **_: Any) -> RootDrift:
        self.recorded[f"{env}/{root}"] = recorded
        result = self.results.get(f"{env}/{root}", RootDrift(env, root))
        if isinstance(result, Exception):
            raise result
        return result

    def set(self, root: str, *outside: ResourceDifference, **rest: Any) -> None:
        self.results[f"staging/{root}"] = RootDrift("staging", root, outside, **rest)

    def check(self, *, as_json: bool = False) -> None:
        harness = self.harness
        console = Console(err=harness.err, out=harness.out, live=False, as_json=as_json)
        rung = Rung(harness.settings, "staging", harness.aws, console, "inv tf.drift", harness.time.clock())  # type: ignore[arg-type]
        infra_drift.check([rung], infra_drift.wanted(harness.settings, "staging"))

    @property
    def out(self) -> str:
        return self.harness.out.getvalue()


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Roots:
    monkeypatch.delenv("CI", raising=False)
    made = Roots(DeployHarness(tmp_path))
    monkeypatch.setattr(drift, "find", made.find)
    made.harness.deploy()
    made.harness.err.truncate(0)
    return made


def test_roots_that_are_as_they_were_applied_are_no_drift(roots: Roots) -> None:
    roots.check()
    assert roots.harness.printed.count("no drift") == 3
    assert roots.out == ""
    assert roots.recorded == {
        "staging/foundation": "foundation one",
        "staging/service": "service one",
        "staging/delivery": "",
    }


def test_drift_is_exit_code_2_of_its_own_kind_and_names_each_attribute_and_what_is_gone(roots: Roots) -> None:
    roots.set("service", MEMORY, GONE)
    with pytest.raises(
        DriftError, match="staging/service has drifted: 1 changed, 1 deleted outside Terraform"
    ) as caught:
        roots.check()
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.DRIFT, "drift")
    assert int(caught.value.exit_code) == 2
    assert roots.out.splitlines() == [
        "changed outside Terraform, in staging/service:",
        f"  ~ {FUNCTION}: changed",
        "      memory_size: 256 -> 512",
        "  - module.service.aws_iam_role.this: deleted",
    ]
    assert "`inv tf.plan --env staging --root service`" in caught.value.hint


def test_a_change_of_the_code_that_was_not_applied_is_shown_and_is_no_drift(roots: Roots) -> None:
    roots.set("service", pending=(OWN,))
    roots.check()
    assert "changed in the code and not applied, in staging/service:\n  + aws_sqs_queue.jobs: create" in roots.out
    assert "`inv deploy --env staging`" in roots.harness.printed


def test_json_says_the_same_in_one_document(roots: Roots) -> None:
    roots.check(as_json=True)
    document = json.loads(roots.out)
    assert (document["drifted"], [each["root"] for each in document["roots"]]) == (
        False,
        ["foundation", "service", "delivery"],
    )
    roots.set("service", MEMORY)
    with pytest.raises(DriftError) as caught:
        roots.check(as_json=True)
    assert caught.value.record["drifted"] is True
    service = caught.value.record["roots"][1]  # type: ignore[index]
    (attribute,) = service["outside"][0]["attributes"]
    assert attribute == {"path": "memory_size", "before": "256", "after": "512", "forces": False}


def test_a_root_that_was_never_applied_is_no_drift(roots: Roots) -> None:
    roots.set("delivery", applied=False)
    roots.check()
    assert "nothing is applied yet" in roots.harness.printed


def test_a_state_that_is_gone_though_the_ledger_knows_of_an_apply_is_drift(roots: Roots) -> None:
    roots.set("service", applied=False)
    with pytest.raises(DriftError, match="1 deleted"):
        roots.check()
    assert f"- state hello-tfstate-{ACCOUNT}-{REGION}/staging/service.tfstate: deleted" in roots.out


def test_a_bucket_of_states_that_is_gone_is_drift_and_before_the_first_deployment_nothing_is(roots: Roots) -> None:
    roots.results["staging/service"] = NoStateError("no state")
    with pytest.raises(DriftError):
        roots.check()
    assert f"- bucket hello-tfstate-{ACCOUNT}-{REGION}: deleted" in roots.out
    roots.harness.table.tables.clear()
    roots.check()


def test_what_differs_while_somebody_applies_is_not_judged(roots: Roots) -> None:
    roots.set("service", MEMORY, busy="ann@laptop since 2026-11-26 (apply, id 1)")
    roots.check()
    assert "not judged: ann@laptop since 2026-11-26 (apply, id 1) is at work on it" in roots.harness.printed


def test_a_root_that_can_t_be_checked_is_neither_clean_nor_drift_and_hides_no_other(roots: Roots) -> None:
    roots.results["staging/foundation"] = StepladderError("terraform plan failed: Broken", kind="terraform-failed")
    roots.set("service", MEMORY)
    with pytest.raises(StepladderError) as caught:
        roots.check()
    assert caught.value.message == (
        "staging/foundation couldn't be checked: terraform plan failed: Broken; drift in staging/service"
    )
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.FAILED, "terraform-failed")
    assert "memory_size: 256 -> 512" in roots.out


def test_without_credentials_the_exit_code_is_that_of_no_credentials(roots: Roots) -> None:
    roots.harness.table.fail("BatchGetItem", NoCredentialsError(), times=3)
    roots.results["staging/delivery"] = NotReadyError("none", kind="no-credentials")
    with pytest.raises(StepladderError) as caught:
        roots.check()
    assert (caught.value.exit_code, caught.value.kind) == (ExitCode.NOT_READY, "no-credentials")


def report(roots: Roots) -> dict[str, drift_report.CheckReport]:
    return drift_report.read(roots.harness.settings, "staging")


def test_a_ci_job_leaves_what_it_found_for_the_issue(roots: Roots, monkeypatch: pytest.MonkeyPatch) -> None:
    roots.check()
    assert report(roots)["terraform"].problem == "`inv tf.drift --env staging` left no report"
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_RUN_ID", "7")
    roots.check()
    assert report(roots)["terraform"].is_clean
    roots.set("service", MEMORY)
    with pytest.raises(DriftError):
        roots.check()
    (finding,) = report(roots)["terraform"].findings
    assert (finding.where, finding.text) == ("staging/service", f"{FUNCTION} was changed outside Terraform")
    assert finding.details == ("memory_size: 256 -> 512",)
    assert not report(roots)["releases"].is_clean, "the other check was not made"
    monkeypatch.setenv("GITHUB_RUN_ID", "8")
    assert report(roots)["terraform"].problem, "a runner kept the report of another run"


@pytest.mark.parametrize("failure", ["error", "busy"])
def test_a_check_that_was_not_made_is_a_problem_in_the_report(
    roots: Roots, monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    monkeypatch.setenv("CI", "true")
    if failure == "error":
        roots.results["staging/service"] = StepladderError("no way")
        with pytest.raises(StepladderError):
            roots.check()
    else:
        roots.set("service", busy="ann")
        roots.check()
    part = report(roots)["terraform"]
    assert part.problem.startswith("staging/service: ")
    assert not part.is_clean


@pytest.mark.parametrize(
    "text", ["", "[]", '{"run": "", "terraform": {"findings": [1]}}', '{"run": "", "terraform": 3}']
)
def test_a_report_that_is_none_is_a_problem_and_no_traceback(
    roots: Roots, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("GITHUB_RUN_ID", "CI_PIPELINE_ID", "CODEBUILD_BUILD_ID"):
        monkeypatch.delenv(name, raising=False)
    path = drift_report.folder(roots.harness.settings) / "staging.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert report(roots)["terraform"].problem


def test_environments_of_one_location_have_one_foundation_and_one_delivery_root(roots: Roots) -> None:
    other = {"account": "222222222222", "region": REGION}
    settings = load(
        {
            "project": "hello",
            "environments": {"dev": PLACE, "staging": PLACE, "production": other, "sandbox": PLACE},
            "rungs": ["dev", "staging", "production"],
        },
        roots.harness.root,
    )
    assert infra_drift.wanted(settings) == [
        ("dev", "foundation"),
        ("dev", "service"),
        ("dev", "delivery"),
        ("staging", "service"),
        ("production", "foundation"),
        ("production", "service"),
        ("production", "delivery"),
    ]
    assert infra_drift.wanted(settings, "sandbox") == [("sandbox", "foundation"), ("sandbox", "service")]
    with pytest.raises(StepladderError, match="stagin"):
        infra_drift.wanted(settings, "stagin")


def test_a_project_without_any_root_is_bad_input_and_not_clean(tmp_path: Path) -> None:
    made = {"staging": EnvironmentSettings("staging", "111122223333", "us-east-1")}
    with pytest.raises(BadInputError, match="the project has no Terraform root 'service'"):
        infra_drift.wanted(Settings(tmp_path, "orders", environments=made, rungs=(("staging",),)))
