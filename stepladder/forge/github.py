"""GitHub Actions. Variables: https://docs.github.com/en/actions/reference/workflows-and-actions/variables."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stepladder.forge.interface import Annotation, Forge, Level, Posted
from stepladder.forge.job_files import append, below, read_event

if TYPE_CHECKING:
    from stepladder.forge.id_token import IdToken, SigningToken

_SUMMARY = 1024 * 1024  # bytes that a step may write, or GitHub keeps none of them


class GitHub(Forge):
    """A job of GitHub Actions.

    Outputs are those of the step: `${{ steps.<id>.outputs.version }}`. A workflow's GITHUB_TOKEN comments with
    `pull-requests: write` and opens issues with `issues: write`.
    """

    name = "GitHub"
    comment_limit = 65_536

    def detect(self) -> bool:
        """Whether GITHUB_ACTIONS says so."""
        return os.environ.get("GITHUB_ACTIONS") == "true"

    def identity(self) -> str:
        """Return the account that started the workflow."""
        return os.environ.get("GITHUB_ACTOR", "")

    def run(self) -> str:
        """Return the run's id."""
        return os.environ.get("GITHUB_RUN_ID", "")

    def change_request(self) -> str:
        """Return the pull request's number, from the event or else the ref (`refs/pull/7/merge`)."""
        number = _pull_request().get("number")
        if isinstance(number, int):
            return str(number)
        ref = re.fullmatch(r"refs/pull/(\d+)/\w+", os.environ.get("GITHUB_REF", ""))
        return ref[1] if ref else ""

    def is_fork(self) -> bool:
        """Whether the pull request's branch is in another repository, or in one that was deleted (null)."""
        head = _pull_request().get("head")
        if not isinstance(head, dict) or "repo" not in head:
            return False
        repository = head["repo"] if isinstance(head["repo"], dict) else {}
        own = os.environ.get("GITHUB_REPOSITORY", "")
        return str(repository.get("full_name", "")).lower() != own.lower()

    def job_url(self) -> str:
        """Return the address of the workflow's run."""
        server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
        run = os.environ.get("GITHUB_RUN_ID", "")
        return f"{server}/{repository}/actions/runs/{run}" if server and repository and run else ""

    def source(self) -> str:
        """Return the repository's page."""
        server, repository = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_REPOSITORY", "")
        return f"{server}/{repository}" if server and repository else ""

    def builder(self) -> str:
        """Return the workflow, in its version, as GitHub's own provenance names it."""
        server, workflow = os.environ.get("GITHUB_SERVER_URL", ""), os.environ.get("GITHUB_WORKFLOW_REF", "")
        return f"{server}/{workflow}" if server and workflow else ""

    def id_token(self, audience: str) -> IdToken:
        """Ask GitHub for it."""
        from stepladder.forge import id_token

        return id_token.from_github(audience, is_fork=self.is_fork())

    def may_sign(self) -> bool:
        """Whether GitHub gives the job tokens, which is so by `id-token: write`."""
        from stepladder.forge import id_token

        return id_token.may_ask_github()

    def signing_token(self) -> SigningToken:
        """Ask GitHub for it."""
        from stepladder.forge import id_token

        return id_token.signing_from_github(is_fork=self.is_fork())

    def summary(self, markdown: str) -> bool:
        """Add to the step's summary, up to what GitHub keeps of one."""
        return append("GITHUB_STEP_SUMMARY", f"{markdown}\n", _SUMMARY)

    def annotation(self, message: str, *, level: Level = "error", path: str = "", line: int = 0) -> str:
        """Return a workflow command: `::error file=app/handler.py,line=3::the message`."""
        where = below(os.environ.get("GITHUB_WORKSPACE", ""), path)
        properties = [f"file={_escaped(where, property_value=True)}"] if where else []
        properties += [f"line={line}"] if where and line > 0 else []
        return f"::{level}{' ' if properties else ''}{','.join(properties)}::{_escaped(message)}"

    def annotate(self, annotations: Sequence[Annotation]) -> tuple[str, ...]:
        """Return a workflow command for each message."""
        return tuple(self.annotation(a.message, level=a.level, path=a.path, line=a.line) for a in annotations)

    def outputs(self, values: Mapping[str, str]) -> bool:
        """Set outputs of the step. A delimiter that nobody can guess keeps a value from setting another output."""
        text = ""
        for name, value in values.items():
            delimiter = f"stepladder_{secrets.token_hex(16)}"
            text += f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        return append("GITHUB_OUTPUT", text)

    def comment(self, markdown: str, marker: str) -> Posted:
        """Comment on the pull request."""
        from stepladder.forge import github_api

        number = self.change_request()
        if not number:
            return Posted(problem="this job runs for no pull request")
        return github_api.comment(number, markdown, marker, self.comment_limit)

    def section(self, number: str, markdown: str, marker: str, name: str) -> Posted:
        """Write a section of our comment."""
        from stepladder.forge import github_api

        return github_api.section(number, markdown, marker, name, self.comment_limit)

    def is_closed(self, number: str) -> bool | None:
        """Ask for its state."""
        from stepladder.forge import github_api

        return github_api.is_closed(number)

    def branch(self) -> str:
        """Return the branch that is to be merged."""
        return os.environ.get("GITHUB_HEAD_REF", "")

    def issue(self, title: str, markdown: str, marker: str) -> Posted:
        """Open or update the issue."""
        from stepladder.forge import github_api

        return github_api.issue(title, markdown, marker, self.comment_limit)

    def close_issue(self, markdown: str, marker: str) -> Posted:
        """Close our open issues, each with a last comment."""
        from stepladder.forge import github_api

        return github_api.close_issue(markdown, marker)


def _pull_request() -> Mapping[str, Any]:
    value = read_event("GITHUB_EVENT_PATH").get("pull_request")
    return value if isinstance(value, dict) else {}


def _escaped(text: str, *, property_value: bool = False) -> str:
    """Escape as the runner reads it back: a line can then begin no command of its own.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A"} | ({":": "%3A", ",": "%2C"} if property_value else {})
    return "".join(escapes.get(c, c) for c in text)


FORGE = GitHub()
