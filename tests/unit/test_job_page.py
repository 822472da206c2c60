"""What a job of a forge shows of a command: messages at lines, the job's own page, and outputs for the next job."""

from __future__ import annotations

import io
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from stepladder.commands import checks, job_page, located
from stepladder.commands.checks import ChecksFailedError, ProjectCheck
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, RolledBackError
from stepladder.forge.interface import Annotation

DEPLOYED = {
    "environment": "staging",
    "result": "released",
    "version": "13",
    "previous_version": "12",
    "digest": "sha256:f676a97d979e" + "0" * 52,
    "previous_digest": "",
    "release_id": "20261126T004327Z-028ebd",
    "url": "https://abc.lambda-url.us-east-1.on.aws/",
}


@pytest.fixture(autouse=True)
def no_forge(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("GITHUB_", "GITLAB_", "CI_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def github(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path))
    for name in ("OUTPUT", "STEP_SUMMARY"):
        monkeypatch.setenv(f"GITHUB_{name}", str(tmp_path / name))
    return tmp_path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("app/a.py", "terraform/service/main.tf", "ci.yaml", "function/Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x\n" * 40, "utf-8")
    (tmp_path / "invoke.yaml").write_text("stepladder:\n  project: a\n  function:\n    memory_mb: 3\n", "utf-8")
    return tmp_path


RUFF = """F401 [*] `os` imported but unused
 --> app/a.py:3:8
  |
3 | import os
  |        ^^

Found 1 error.
"""
MYPY = 'app/a.py:7: error: Name "x" is not defined  [name-defined]\napp/a.py:7: note: see\nFound 1 error in 1 file\n'
YAML = "ci.yaml\n  4:81      error    line too long (94 > 80 characters)  (line-length)\n\n"
TERRAFORM = '╷\n│ Error: Unsupported argument\n│ \n│   on terraform/service/main.tf line 12, in module "x":\n╵\n'
FMT = (
    "terraform/service/main.tf\n--- old/terraform/service/main.tf\n+++ new/terraform/service/main.tf\n@@ -5,3 +5,3 @@\n"
)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (RUFF, [("app/a.py", 3, "F401 [*] `os` imported but unused")]),
        (MYPY, [("app/a.py", 7, 'error: Name "x" is not defined  [name-defined]'), ("app/a.py", 7, "note: see")]),
        (YAML, [("ci.yaml", 4, "line too long (94 > 80 characters)  (line-length)")]),
        (TERRAFORM, [("terraform/service/main.tf", 12, "Error: Unsupported argument")]),
        (FMT, [("terraform/service/main.tf", 5, "the file is not formatted: `terraform fmt` does it")]),
        ("Would reformat: app/a.py\n", [("app/a.py", 1, "the file is not formatted: `ruff format` does it")]),
        (
            "\x1b[1mfunction/Dockerfile:2\x1b[0m DL3006 warning: tag\n",
            [("function/Dockerfile", 2, "DL3006 warning: tag")],
        ),
        ("http://x:80 is down\n12:30:01 began\nnone.py:3: no such file\n", []),
    ],
    ids=["ruff", "mypy", "yamllint", "terraform", "terraform fmt", "ruff format", "hadolint", "no place"],
)
def test_the_output_of_a_check_is_read_for_places(
    output: str, expected: list[tuple[str, int, str]], project: Path
) -> None:
    made = located.of_output(output, project, project)
    assert [(each.path.removeprefix(f"{project}/"), each.line, each.message) for each in made] == expected


@pytest.mark.parametrize(
    ("problem", "path", "line"),
    [
        ("stepladder.function.memory_mb is 3; allowed: a whole number", "invoke.yaml", 4),
        ("stepladder.function.timeout_seconds is missing", "invoke.yaml", 3),
        ("function/Dockerfile:12: COPY of what isn't there", "function/Dockerfile", 12),
        ("terraform validate failed: no such variable (service/main.tf:14)", "terraform/service/main.tf", 14),
        ("nothing that names a place", "", 0),
    ],
)
def test_an_error_of_ours_is_shown_at_what_it_names(problem: str, path: str, line: int, project: Path) -> None:
    (made,) = located.of_error(BadInputError("wrong", problems=(problem,)), project)
    assert (made.path.removeprefix(f"{project}/"), made.line) == (path, line)


def run_checks(project: Path) -> str:
    def act(_step: object) -> None:
        raise BadInputError("the settings are not valid", problems=("stepladder.function.memory_mb is 3",))

    err = io.StringIO()
    with pytest.raises(ChecksFailedError):
        checks.run_all([ProjectCheck("settings", act=act)], project, Console(err=err, live=False))
    return err.getvalue()


def test_a_failed_check_is_a_message_at_its_line_on_github(project: Path, github: Path) -> None:
    assert github == project
    assert "\n::error file=invoke.yaml,line=4::stepladder.function.memory_mb is 3\n" in run_checks(project)


def test_a_failed_check_is_in_the_report_of_gitlab(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITLAB_CI", "true")
    monkeypatch.setenv("CI_PROJECT_DIR", str(project))
    run_checks(project)
    assert '"invoke.yaml"' in (project / ".stepladder" / "code-quality.json").read_text("utf-8")


def test_on_a_laptop_nothing_is_added(project: Path) -> None:
    assert "::" not in run_checks(project)
    assert not (project / ".stepladder").exists()


def test_a_deploy_sets_outputs_and_writes_its_page(github: Path) -> None:
    job_page.deployed(DEPLOYED)
    outputs = (github / "OUTPUT").read_text("utf-8").splitlines()
    assert {line.partition("<<")[0]: outputs[n + 1] for n, line in enumerate(outputs) if "<<" in line} == {
        name: DEPLOYED[name]
        for name in ("environment", "result", "version", "previous_version", "digest", "release_id", "url")
    }
    page = (github / "STEP_SUMMARY").read_text("utf-8")
    assert page.startswith("### staging: released\n\n* version: `12` -> `13`\n* image: none -> `f676a97d979e`\n")


def test_a_dry_run_sets_no_output(github: Path) -> None:
    job_page.deployed(DEPLOYED | {"result": "dry_run"})
    job_page.promoted({"outcome": "dry_run", "how": "started", "digest": DEPLOYED["digest"]})
    assert not (github / "OUTPUT").exists()


def test_a_promotion_sets_outputs_and_writes_its_page(github: Path) -> None:
    targets = [{"environment": "production", "outcome": "succeeded"}]
    job_page.promoted(
        {"outcome": "promoted", "how": "started", "digest": DEPLOYED["digest"], "release_id": "r", "targets": targets}
    )
    assert "### promotion: promoted" in (github / "STEP_SUMMARY").read_text("utf-8")
    assert "* production: `succeeded`" in (github / "STEP_SUMMARY").read_text("utf-8")
    assert {"outcome", "digest", "release_id"} <= {
        line.partition("<<")[0] for line in (github / "OUTPUT").read_text("utf-8").splitlines()
    }


class Ladder:
    """A state machine whose highest environment serves version 9; `broken` where its ledger can't be read."""

    rung = SimpleNamespace(settings=SimpleNamespace(rungs=(("staging",), ("production",))))

    def __init__(self, *, broken: bool = False) -> None:
        self.broken = broken

    def at(self, environment: str) -> SimpleNamespace:
        def snapshot(_environment: str) -> SimpleNamespace:
            if self.broken:
                raise PermissionError(environment)
            return SimpleNamespace(
                current=SimpleNamespace(version="9"), infra=SimpleNamespace(url=f"https://{environment}.example/")
            )

        return SimpleNamespace(ledger=SimpleNamespace(snapshot=snapshot))


@pytest.mark.parametrize("broken", [False, True])
def test_a_promotion_gives_version_and_address_of_the_highest_environment(github: Path, broken: bool) -> None:
    job_page.promoted({"outcome": "promoted", "how": "started", "digest": "sha256:abc"}, Ladder(broken=broken))
    outputs = (github / "OUTPUT").read_text("utf-8").splitlines()
    assert ("https://production.example/" in outputs) is not broken
    assert ("9" in outputs) is not broken
    assert "promoted" in outputs


def test_a_failure_is_a_message_of_the_job_and_on_its_page(github: Path) -> None:
    err = io.StringIO()
    error = RolledBackError("production: alarm fired\n::add-mask::x", hint="read the log", problems=("one", "``` two"))
    error.record = {"outcome": "rolled_back", "digest": "sha256:abc"}
    job_page.failed(Console(err=err, live=False), "inv promote", error)
    assert err.getvalue() == "::error::production: alarm fired%0A::add-mask::x\n"
    page = (github / "STEP_SUMMARY").read_text("utf-8")
    assert page.startswith(
        "### `inv promote` failed\n\n````text\nproduction: alarm fired\\n::add-mask::x [rolled-back]\n"
    )
    assert "rolled_back" in (github / "OUTPUT").read_text("utf-8")


def test_elsewhere_nothing_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    err = io.StringIO()
    job_page.deployed(DEPLOYED)
    job_page.promoted({"outcome": "promoted", "how": "started", "digest": "sha256:abc"})
    job_page.failed(Console(err=err, live=False), "inv deploy", BadInputError("no"))
    job_page.annotate(Console(err=err, live=False), [Annotation("no")])
    assert (err.getvalue(), list(tmp_path.iterdir())) == ("", [])


def test_a_deploy_of_several_functions_is_one_summary_with_a_line_for_each_that_changed(github: Path) -> None:
    functions = [
        {**DEPLOYED, "environment": "staging-mailer", "name": "mailer"},
        {**DEPLOYED, "name": "", "result": "unchanged", "previous_version": "13"},
    ]
    job_page.deployed({"environment": "staging", "result": "released", "release_id": "r1", "functions": functions})
    summary = (github / "STEP_SUMMARY").read_text()
    assert "### staging: released" in summary
    assert "* mailer: released, version `12` -> `13`" in summary
    assert summary.count("version") == 1
    assert "\nr1\n" in (github / "OUTPUT").read_text()
