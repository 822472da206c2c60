"""GitLab CI. Variables: https://docs.gitlab.com/ci/variables/predefined_variables/."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from stepladder.core.files import write_text
from stepladder.forge import id_token, sticky
from stepladder.forge.api import Api, ApiError, PassingError
from stepladder.forge.id_token import IdToken
from stepladder.forge.interface import Annotation, Forge, Posted
from stepladder.forge.job_files import below
from stepladder.forge.sticky import Item, Items

QUALITY = ".stepladder/code-quality.json"
OUTPUTS = ".stepladder/outputs.env"
TOKEN = "GITLAB_TOKEN"  # noqa: S105 - a variable's name
_SEVERITY = {"error": "major", "warning": "minor", "notice": "info"}
_TITLE = 255
_DESCRIPTION = 1_048_576
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

    def change_request(self) -> str:
        """Return the merge request's number in its project."""
        number = os.environ.get("CI_MERGE_REQUEST_IID", "")
        return number if number.isdecimal() else ""

    def is_fork(self) -> bool:
        """Whether the merge request's branch is in another project than its target."""
        source = os.environ.get("CI_MERGE_REQUEST_SOURCE_PROJECT_ID", "")
        return bool(source) and source != _project()

    def id_token(self, _audience: str) -> IdToken:
        """Read it: its audience is the one that the pipeline names."""
        return id_token.from_gitlab()

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
        number = self.change_request()
        if not number:
            return Posted(problem="this job runs for no merge request")
        api = _api()
        if isinstance(api, str):
            return Posted(problem=api)
        text = sticky.cut_to(markdown, self.comment_limit, marker)
        return api.attempted(lambda: sticky.post(_notes(api, number), "", text, marker))

    def issue(self, title: str, markdown: str, marker: str) -> Posted:
        """Open or update the issue."""
        api = _api()
        if isinstance(api, str):
            return Posted(problem=api)
        text = sticky.cut_to(markdown, _DESCRIPTION, marker)
        return api.attempted(lambda: sticky.post(_issues(api), title[:_TITLE], text, marker))

    def close_issue(self, markdown: str, marker: str) -> Posted:
        """Close our open issues, each with a last note."""
        api = _api()
        if isinstance(api, str):
            return Posted(problem=api)

        def act() -> Posted:
            closed = sticky.with_marker(_issues(api), marker)
            for issue in closed:
                _close(api, issue)
                api.call("POST", f"/projects/{_project()}/issues/{issue.id}/notes", {"body": markdown})
            return Posted("closed" if closed else "unchanged", closed[0].url if closed else "")

        return api.attempted(act)


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


def _project() -> str:
    """Return the project that merge request and issues are in: of a fork's pipeline it isn't the one that runs."""
    return quote(os.environ.get("CI_MERGE_REQUEST_PROJECT_ID") or os.environ.get("CI_PROJECT_ID", ""), safe="")


def _api() -> Api | str:
    """Return the API as this job may use it, or why it can't."""
    token, base = os.environ.get(TOKEN, ""), os.environ.get("CI_API_V4_URL", "")
    needed = f"a project access token with the role Reporter and the scope api, in the variable {TOKEN}"
    if not token or not base or not _project():
        return f"a job token can't write notes: this needs {needed}"
    return Api(
        "GitLab",
        base,
        {"Accept": "application/json", "PRIVATE-TOKEN": token},
        token=token,
        hints=dict.fromkeys((401, 403, 404), f"it needs {needed}"),
    )


def _own_id(api: Api) -> object:
    """Return the token's account: others may write our marker into a note of theirs, and only the author edits one."""
    try:
        return (api.call("GET", "/user") or {}).get("id")
    except ApiError as error:
        if isinstance(error, PassingError) or error.status not in {403, 404}:
            raise
        return None


def _own(api: Api, path: str) -> Iterator[dict[str, Any]]:
    account = _own_id(api)
    for raw in api.pages(path):
        author = (raw.get("author") or {}).get("id")
        if not raw.get("system") and (account is None or author == account):
            yield raw


def _notes(api: Api, number: str) -> Items:
    """https://docs.gitlab.com/api/notes/#merge-requests."""
    base = f"/projects/{_project()}/merge_requests/{number}/notes"
    page = f"{os.environ.get('CI_MERGE_REQUEST_PROJECT_URL') or os.environ.get('CI_PROJECT_URL', '')}"

    def item(raw: Mapping[str, Any]) -> Item:
        url = f"{page}/-/merge_requests/{number}#note_{raw['id']}" if page else ""
        return Item(str(raw["id"]), raw.get("body") or "", "", url)

    def own() -> Iterator[Item]:
        return (item(raw) for raw in _own(api, f"{base}?sort=asc&order_by=created_at&per_page=100"))

    def create(_title: str, text: str) -> Item:
        return item(api.call("POST", base, {"body": text}))

    def update(note: Item, _title: str, text: str) -> Item:
        return item(api.call("PUT", f"{base}/{note.id}", {"body": text}))

    return Items(own, create, update, lambda note: api.remove(f"{base}/{note.id}"))


def _issues(api: Api) -> Items:
    """https://docs.gitlab.com/api/issues/#list-project-issues."""
    base = f"/projects/{_project()}/issues"

    def item(raw: Mapping[str, Any]) -> Item:
        return Item(str(raw["iid"]), raw.get("description") or "", raw.get("title") or "", raw.get("web_url") or "")

    def own() -> Iterator[Item]:
        path = f"{base}?state=opened&scope=created_by_me&order_by=created_at&sort=asc&per_page=100"
        return (item(raw) for raw in _own(api, path))

    def create(title: str, text: str) -> Item:
        return item(api.call("POST", base, {"title": title, "description": text}))

    def update(issue: Item, title: str, text: str) -> Item:
        return item(api.call("PUT", f"{base}/{issue.id}", {"title": title, "description": text}))

    return Items(own, create, update, lambda issue: _close(api, issue))


def _close(api: Api, issue: Item) -> None:
    api.call("PUT", f"/projects/{_project()}/issues/{issue.id}", {"state_event": "close"})


FORGE = GitLab()
