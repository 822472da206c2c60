"""A project in a repository on a forge, whose jobs reach a local cloud as their own roles: what both runners need.

shell, repository = front_doors.make(tmp_path, "orders", forge="github")
with shell.local_cloud(), forge_server.serving() as forge:
    front_doors.bootstrap(shell)
    runner = GitHubRunner(tmp_path, front_doors.of_jobs(shell) | forge...)
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import example_projects
import yaml
from forge_server import PROJECT_ID, REPOSITORY
from shell import ACCOUNT, REGION, Shell

OWNER_ID, REPOSITORY_ID = "1", "2"
CI = {
    "github": {"github": {"repository": REPOSITORY, "owner_id": OWNER_ID, "repository_id": REPOSITORY_ID}},
    "gitlab": {"gitlab": {"project": REPOSITORY}},
}
REMOTES = {"github": f"https://github.com/{REPOSITORY}.git", "gitlab": f"https://gitlab.com/{REPOSITORY}.git"}
ENVIRONMENTS = ("staging", "production", "production-approval")
UV = Path(__file__).parent / "actions" / "setup-uv" / "bin"
"""A folder with a `uv` that runs tasks with this Python, and nothing else."""
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


class Repository:
    """The project's repository, with a remote that names it."""

    def __init__(self, folder: Path, remote: str) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch", "main")
        self.git("remote", "add", "origin", remote)

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
        argv = ["git", *who, *words]
        done = subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.strip()

    def commit(self, message: str) -> str:
        """Commit all that changed; return the commit."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self._pushed()

    @property
    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    def merge(self, branch: str) -> str:
        """Merge a branch into main, as a forge does after a review; return the commit."""
        self.git("switch", "--quiet", "main")
        self.git("merge", "--quiet", "--no-ff", "--message", f"Merge {branch}", branch)
        return self._pushed()

    def _pushed(self) -> str:
        """Let main be the remote's as well, which a rule by changed files compares with; return the commit."""
        self.git("update-ref", "refs/remotes/origin/main", "main")
        return self.head


def make(folder: Path, name: str, forge: str, answers: Mapping[str, Any] | None = None) -> tuple[Shell, Repository]:
    """Make a project with the pipelines of a forge, in a repository of one commit: an example, or a new one."""
    if name in example_projects.ANSWERS:
        shell = example_projects.make(folder, name, {"ci": forge} | dict(answers or {}))
    else:
        shell = Shell(folder, {})
        common = {"project_name": name, "aws_account": ACCOUNT, "aws_region": REGION, "ci": forge}
        shell.new(common | dict(answers or {}))
    change_settings(shell, lambda settings: settings | {"ci": CI[forge], "previews": {"enabled": True}})
    repository = Repository(shell.folder, REMOTES[forge])
    repository.commit("Begin")
    return shell, repository


def change_settings(shell: Shell, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Write other settings."""
    path = shell.folder / "invoke.yaml"
    settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump({"stepladder": change(settings["stepladder"])}), encoding="utf-8")


def bootstrap(shell: Shell) -> list[dict[str, str]]:
    """Make what CI needs before its first job, as a person does who may do everything: the foundation, and lock files.

    Return the variables that the forge needs, as it prints them.
    """
    made = shell.record("aws.bootstrap --yes")
    return list(made["variables"])


def of_jobs(shell: Shell) -> dict[str, str]:
    """Return the environment of a runner's jobs: a person's, without credentials."""
    return {name: value for name, value in shell.env.items() if name not in CREDENTIALS}


def variables(project: str) -> dict[str, str]:
    """Return the forge's variables; `{environment}` stands for a job's environment."""
    role = f"arn:aws:iam::{ACCOUNT}:role/{project}-ci"
    return {
        "AWS_PLAN_ROLE_ARN_STAGING": f"{role}-plan-staging",
        "AWS_PLAN_ROLE_ARN_PRODUCTION": f"{role}-plan-production",
        "AWS_DEPLOY_ROLE_ARN": f"{role}-deploy-{{environment}}",
        "AWS_RELEASE_ROLE_ARN": f"{role}-release-{{environment}}",
        "AWS_PREVIEW_ROLE_ARN": f"{role}-preview",
    }


def push(sha: str) -> dict[str, Any]:
    """Return GitHub's event of a push to main."""
    return {"ref": "refs/heads/main", "after": sha, "repository": _repository()}


def schedule() -> dict[str, Any]:
    """Return GitHub's event of a schedule."""
    return {"schedule": "17 5 * * *", "repository": _repository()}


def pull_request(
    sha: str, number: int = 7, head: str = REPOSITORY, *, action: str = "synchronize", labels: Sequence[str] = ()
) -> dict[str, Any]:
    """Return GitHub's event of a pull request, whose branch is in the repository `head`."""
    return {
        "action": action,
        "number": number,
        "pull_request": {
            "number": number,
            "labels": [{"name": label} for label in labels],
            "head": {"ref": "change", "sha": sha, "repo": {"full_name": head}},
            "base": {"ref": "main", "repo": {"full_name": REPOSITORY}},
        },
        "repository": _repository(),
    }


def _repository() -> dict[str, Any]:
    return {"id": int(REPOSITORY_ID), "full_name": REPOSITORY, "owner": {"id": int(OWNER_ID)}, "default_branch": "main"}


def merge_request(number: int = 7, *, fork: bool = False) -> dict[str, str]:
    """Return GitLab's variables of a merge request, perhaps from a fork."""
    return {
        "CI_MERGE_REQUEST_IID": str(number),
        "CI_MERGE_REQUEST_PROJECT_ID": PROJECT_ID,
        "CI_MERGE_REQUEST_SOURCE_PROJECT_ID": "43" if fork else PROJECT_ID,
    }
