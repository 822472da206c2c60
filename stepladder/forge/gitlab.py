"""GitLab CI. Variables: https://docs.gitlab.com/ci/variables/predefined_variables/."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stepladder.core.files import write_text
from stepladder.forge.interface import Annotation, Forge, Posted
from stepladder.forge.job_files import below

if TYPE_CHECKING:
    from stepladder.forge.id_token import IdToken, SigningToken

QUALITY = ".stepladder/code-quality.json"
OUTPUTS = ".stepladder/outputs.env"
_SEVERITY = {"error": "major", "warning": "minor", "notice": "info"}
_MAX_OUTPUTS = 5 * 1024  # bytes of a dotenv report


class GitLab(Forge):
    """A job of GitLab CI.

    A job token reads notes and can't write any (https://docs.gitlab.com/ci/jobs/ci_job_token/): comments and issues
    need a project access token with the role Reporter and the scope `api`, in the masked variable GITLAB_TOKEN.

    Outputs are a dotenv report, `artifacts: {reports: {dotenv: .stepladder/outputs.env}}`: the jobs that follow have
    STEPLADDER_VERSION. Messages at files are a report too, `codequality: .stepladder/code-quality.json`.
    """

    name = "GitLab"
    comment_limit = 1_000_000

    def detect(self) -> bool:
        """Whether GITLAB_CI says so."""
        return os.environ.get("GITLAB_CI") == "true"

    def identity(self) -> str:
        """Return the account that started the pipeline, or the manual job."""
        return os.environ.get("GITLAB_USER_LOGIN", "")

    def run(self) -> str:
        """Return the run's id."""
        return os.environ.get("CI_PIPELINE_ID", "")

    def change_request(self) -> str:
        """Return the merge request's number in its project."""
        number = os.environ.get("CI_MERGE_REQUEST_IID", "")
        return number if number.isdecimal() else ""

    def is_fork(self) -> bool:
        """Whether the merge request's branch is in another project than its target."""
        source = os.environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "")
        return bool(source) and source != own_project()

    def id_token(self, _audience: str) -> IdToken:
        """Read it: its audience is the one that the pipeline names."""
        from stepladder.forge import id_token

        return id_token.from_gitlab()

    def may_sign(self) -> bool:
        """Whether the pipeline gives the job a token for it."""
        from stepladder.forge import id_token

        return bool(os.environ.get(id_token.SIGSTORE_VARIABLE))

    def signing_token(self) -> SigningToken:
        """Read it."""
        from stepladder.forge import id_token

        return id_token.signing_from_gitlab()

    def source(self) -> str:
        """Return the project's page."""
        return os.environ.get("CI_PROJECT_URL", "")

    def builder(self) -> str:
        """Return the runner, as GitLab's own provenance names it."""
        project, runner = os.environ.get("CI_PROJECT_URL", ""), os.environ.get("CI_RUNNER_ID", "")
        return f"{project}/-/runners/{runner}" if project and runner else ""

    def job_url(self) -> str:
        """Return the address of the job."""
        return os.environ.get("CI_JOB_URL", "")

    def annotate(self, annotations: Sequence[Annotation]) -> tuple[str, ...]:
        """Write the code quality report, also without a message: the merge request then shows what was fixed.

        https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
        """
        folder = os.environ.get("CI_PROJECT_DIR", "")
        report = []
        for each in annotations:
            path = below(folder, each.path)
            fingerprint = hashlib.sha256(f"{path}\0{each.line}\0{each.message}".encode()).hexdigest()
            report.append(
                {
                    "description": each.message,
                    "check_name": "stepladder",
                    "fingerprint": fingerprint,
                    "severity": _SEVERITY[each.level],
                    "location": {"path": path or "invoke.yaml", "lines": {"begin": max(each.line, 1)}},
                }
            )
        _write(QUALITY, json.dumps(report, indent=2) + "\n")
        return ()

    def outputs(self, values: Mapping[str, str]) -> bool:
        """Write the dotenv report: one line each, names in ASCII, nothing quoted; what it held already stays.

        https://docs.gitlab.com/ci/yaml/artifacts_reports/#artifactsreportsdotenv
        """
        before = dict(line.split("=", 1) for line in _read(OUTPUTS).splitlines() if "=" in line)
        values = {f"STEPLADDER_{name.upper()}": " ".join(value.split()) for name, value in values.items()}
        lines = [f"{name}={value}\n" for name, value in sorted({**before, **values}.items())]
        text = "".join(lines)
        return len(text.encode()) <= _MAX_OUTPUTS and _write(OUTPUTS, text)

    def comment(self, markdown: str, marker: str) -> Posted:
        """Write a note on the merge request."""
        from stepladder.forge import gitlab_api

        number = self.change_request()
        if not number:
            return Posted(problem="this job runs for no merge request")
        return gitlab_api.comment(number, markdown, marker, self.comment_limit)

    def section(self, number: str, markdown: str, marker: str, name: str) -> Posted:
        """Write a section of our comment."""
        from stepladder.forge import gitlab_api

        return gitlab_api.section(number, markdown, marker, name, self.comment_limit)

    def is_closed(self, number: str) -> bool | None:
        """Ask for its state."""
        from stepladder.forge import gitlab_api

        return gitlab_api.is_closed(number)

    def branch(self) -> str:
        """Return the branch that is to be merged."""
        return os.environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME", "")

    def issue(self, title: str, markdown: str, marker: str) -> Posted:
        """Open or update the issue."""
        from stepladder.forge import gitlab_api

        return gitlab_api.issue(title, markdown, marker)

    def close_issue(self, markdown: str, marker: str) -> Posted:
        """Close our open issues, each with a last note."""
        from stepladder.forge import gitlab_api

        return gitlab_api.close_issue(markdown, marker)


def _read(name: str) -> str:
    try:
        return (Path(os.environ["CI_PROJECT_DIR"]) / name).read_text("utf-8")
    except (KeyError, OSError, ValueError):
        return ""


def _write(name: str, text: str) -> bool:
    try:
        write_text(Path(os.environ["CI_PROJECT_DIR"]) / name, text)
    except (KeyError, OSError):
        return False
    return True


def own_project() -> str:
    """Return the project that merge request and issues are in: of a fork's pipeline it isn't the one that runs."""
    return os.environ.get("CI_MERGE_REQUEST_PROJECT_ID") or os.environ.get("CI_PROJECT_ID", "")


FORGE = GitLab()
