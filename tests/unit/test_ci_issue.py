"""`inv ci.issue`: one issue about drift at a forge over HTTP: opened, updated, closed, and left where nobody knows."""

from __future__ import annotations

import io
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from forge_server import ForgeServer

from stepladder.commands import ci_issue, drift_report
from stepladder.commands.drift_report import RELEASES, TERRAFORM, DriftFinding
from stepladder.core.console import Console
from stepladder.forge import registered
from stepladder.settings.environments import EnvironmentSettings
from stepladder.settings.load import Settings

MEMORY = DriftFinding(
    "staging/service",
    "module.service.aws_lambda_function.this was changed outside Terraform",
    ("memory_size: 256 -> 512",),
    "inv tf.plan --env staging --root service",
    "resource-changed",
)


@pytest.fixture(params=["github", "gitlab"])
def job(request: pytest.FixtureRequest, forge: ForgeServer, monkeypatch: pytest.MonkeyPatch) -> str:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
        monkeypatch.delenv(name)
    for name, value in {**getattr(forge, request.param)(), "CI": "true", "CI_PIPELINE_ID": "77"}.items():
        monkeypatch.setenv(name, value)
    return str(request.param)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = {name: EnvironmentSettings(name, "111122223333", "us-east-1") for name in ("staging", "production")}
    return Settings(tmp_path, "orders", environments=made, rungs=(("staging",), ("production",)))


def leave(settings: Settings, *findings: DriftFinding, problem: str = "", without: tuple[str, ...] = ()) -> None:
    """Leave what both checks found: `findings` on staging by Terraform, nothing anywhere else."""
    for name in settings.environments:
        for part in (TERRAFORM, RELEASES):
            if name in without:
                continue
            first = (name, part) == ("staging", TERRAFORM)
            drift_report.leave(
                settings, name, part, findings=findings if first else (), problem=problem if first else ""
            )


def run(settings: Settings, *, as_json: bool = False) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    ci_issue.keep(settings, Console(out=out, err=err, live=False, as_json=as_json), registered.current())
    return out.getvalue(), err.getvalue()


@pytest.mark.usefixtures("job")
def test_drift_opens_one_issue_which_is_updated_and_closed_when_all_is_clean(
    settings: Settings, forge: ForgeServer
) -> None:
    leave(settings, MEMORY)
    assert "the issue is created" in run(settings)[1]
    (issue,) = forge.issues
    assert issue.title == "Drift in staging"
    assert "memory_size: 256 -> 512" in issue.body
    assert "`inv tf.plan --env staging --root service`" in issue.body
    assert "| staging | **1 differ** | as it was left |" in issue.body
    leave(settings, MEMORY, MEMORY)
    assert "the issue is updated" in run(settings)[1]
    assert "**2 differ**" in forge.issues[0].body
    leave(settings)
    assert "the issue is closed" in run(settings)[1]
    assert [each.state for each in forge.issues] == ["closed"]
    run(settings)
    leave(settings, MEMORY)
    run(settings)
    assert sorted(each.state for each in forge.issues) == ["closed", "open"]


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("failure", ["problem", "no report"])
def test_a_check_that_was_not_made_neither_opens_nor_closes_and_is_said(
    settings: Settings, forge: ForgeServer, failure: str
) -> None:
    missing: dict[str, Any] = {"problem": "no AWS credentials work"}
    if failure == "no report":
        missing = {"without": ("production",)}
    leave(settings, **missing)
    _, printed = run(settings)
    assert "neither opened nor closed" in printed
    assert "not checked: " in printed
    assert forge.calls == []
    leave(settings, MEMORY)
    run(settings)
    drift_report.folder(settings).joinpath("production.json").unlink()
    leave(settings, **missing)
    run(settings)
    assert [each.state for each in forge.issues] == ["open"]


@pytest.mark.usefixtures("job")
def test_drift_that_is_known_is_shown_beside_what_was_not_checked(settings: Settings, forge: ForgeServer) -> None:
    leave(settings, MEMORY, without=("production",))
    run(settings)
    assert "| production | not checked | not checked |" in forge.issues[0].body
    assert "left no report" in forge.issues[0].body


@pytest.mark.usefixtures("job")
@pytest.mark.parametrize("status", [401, 403, 404, 410, 429, 500, 0])
def test_a_forge_that_refuses_is_one_warning_and_no_failure(
    settings: Settings, forge: ForgeServer, status: int
) -> None:
    leave(settings, MEMORY)
    forge.fail(status, times=99)
    out, printed = run(settings)
    assert printed.count("warning: no issue: ") == 1
    assert "Traceback" not in out + printed
    assert forge.issues == []


def test_outside_of_a_forge_the_text_is_printed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("CI", "true")
    leave(settings, MEMORY)
    out, printed = run(settings)
    assert "memory_size: 256 -> 512" in out
    assert "warning: no issue: no forge has no issues" in printed


def test_json_says_what_became_of_it(settings: Settings, forge: ForgeServer, job: str) -> None:
    leave(settings, MEMORY)
    document = json.loads(run(settings, as_json=True)[0])
    assert (document["drifted"], document["issue"]["how"]) == (["staging"], "created"), job
    assert document["environments"]["staging"]["terraform"] == {"findings": 1, "problem": ""}
    assert forge.issues


def test_a_long_issue_is_cut_between_findings_and_says_how_many_it_left_out() -> None:
    none = drift_report.CheckReport()
    reports = {"staging": {TERRAFORM: drift_report.CheckReport((MEMORY,) * 500), RELEASES: none}}
    text = ci_issue.render(reports, limit=5000)
    assert len(text) < 5200
    assert "more: the commands `inv tf.drift` and `inv status --check` show all." in text
    assert text.count("```") % 2 == 0


def test_no_name_of_a_resource_is_markup_or_calls_anybody() -> None:
    nasty = DriftFinding(
        "staging/service", 'x["@everyone</details>`"] was deleted', ("```", "/merge"), "inv status", "x"
    )
    text = ci_issue.render(
        {"staging": {TERRAFORM: drift_report.CheckReport((nasty,)), RELEASES: drift_report.CheckReport()}}
    )
    assert "@everyone" not in text
    assert "</details>" not in text
    assert "  ````\n  ```\n  /merge\n  ````\n" in text, "no line of the details ends their block"


@pytest.mark.usefixtures("job")
def test_the_issue_of_300_environments_has_a_title_and_a_text_that_forges_take_and_is_left_as_it_is(
    forge: ForgeServer, settings: Settings
) -> None:
    many = {f"environment-{n}": EnvironmentSettings(f"environment-{n}", "1" * 12, "us-east-1") for n in range(300)}
    settings = replace(settings, environments=many, rungs=tuple((name,) for name in many))
    for name in many:
        drift_report.leave(settings, name, TERRAFORM, findings=(MEMORY,))
        drift_report.leave(settings, name, RELEASES, findings=())
    assert "the issue is created" in run(settings)[1]
    assert "the issue is unchanged" in run(settings)[1]
    (issue,) = forge.issues
    assert issue.title == "Drift in environment-0 and 299 more environments"


@pytest.mark.usefixtures("job")
def test_a_report_s_problem_is_one_line_of_the_log(settings: Settings) -> None:
    leave(settings, problem="denied\n::stop-commands::x\x1b[31m")
    _, shown = run(settings)
    assert "warning: not checked: denied ::stop-commands::x\n" in shown


@pytest.mark.usefixtures("job")
def test_a_report_that_can_t_be_written_leaves_the_check_its_result(settings: Settings) -> None:
    settings.build_dir.mkdir(parents=True)
    drift_report.folder(settings).write_text("", "utf-8")
    problem = drift_report.leave(settings, "staging", TERRAFORM, findings=(MEMORY,))
    assert problem.startswith(".stepladder/drift/staging.json can't be written, so `inv ci.issue` misses it: ")
