"""Three CI systems run one command, the one that the README gives."""

import os
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
TESTS = "sh bootstrap.sh && .venv/bin/invoke test"
CI = ".ci/run"


def test_ci_run_calls_the_command_of_the_readme():
    assert TESTS in (ROOT / ".ci/run").read_text().splitlines()
    assert TESTS in (ROOT / "README.md").read_text()


def test_ci_run_can_be_started():
    assert os.access(ROOT / CI, os.X_OK)


def test_github_runs_only_that_command():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step] == [CI]


def test_gitlab_runs_only_that_command():
    pipeline = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    scripts = [job["script"] for job in pipeline.values() if isinstance(job, dict) and "script" in job]
    assert scripts == [[CI]]


def test_the_history_is_whole_where_tests_read_released_commits():
    jobs = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    (checkout,) = [
        s for job in jobs.values() for s in job["steps"] if s.get("uses", "").startswith("actions/checkout@")
    ]
    assert checkout["with"]["fetch-depth"] == 0
    pipeline = yaml.safe_load((ROOT / ".gitlab-ci.yml").read_text())
    assert pipeline["test"]["variables"]["GIT_DEPTH"] == "0"


def test_every_action_is_pinned_by_its_commit():
    workflows = "".join(path.read_text() for path in (ROOT / ".github/workflows").iterdir())
    used = re.findall(r"uses: (.*)", workflows)
    assert used
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)
