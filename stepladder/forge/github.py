"""GitHub Actions. Variables: https://docs.github.com/en/actions/reference/workflows-and-actions/variables."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from stepladder.forge import id_token, sticky
from stepladder.forge.api import Api, ApiError, PassingError
from stepladder.forge.id_token import IdToken
from stepladder.forge.interface import Annotation, Forge, Level, Posted
from stepladder.forge.job_files import append, below, read_event
from stepladder.forge.sticky import Item, Items

_SUMMARY = 1024 * 1024  # bytes that a step may write, or GitHub keeps none of them
_TITLE = 256
_INSTALLATION = "ghs_"  # what the tokens of GitHub Apps begin with, a workflow's among them


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

    def id_token(self, audience: str) -> IdToken:
        """Ask GitHub for it."""
        return id_token.from_github(audience, is_fork=self.is_fork())

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
            delimiter = f"stepladder_{uuid.uuid4().hex}"
            text += f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
        return append("GITHUB_OUTPUT", text)

    def comment(self, markdown: str, marker: str) -> Posted:
        """Comment on the pull request."""
        number = self.change_request()
        if not number:
            return Posted(problem="this job runs for no pull request")
        api = _api("pull-requests: write")
        if isinstance(api, str):
            return Posted(problem=api)
        text = sticky.cut_to(markdown, self.comment_limit, marker)
        return api.attempted(lambda: sticky.post(_comments(api, number), "", text, marker))

    def issue(self, title: str, markdown: str, marker: str) -> Posted:
        """Open or update the issue."""
        api = _api("issues: write")
        if isinstance(api, str):
            return Posted(problem=api)
        text = sticky.cut_to(markdown, self.comment_limit, marker)
        return api.attempted(lambda: sticky.post(_issues(api), title[:_TITLE], text, marker))

    def close_issue(self, markdown: str, marker: str) -> Posted:
        """Close our open issues, each with a last comment."""
        api = _api("issues: write")
        if isinstance(api, str):
            return Posted(problem=api)

        def act() -> Posted:
            closed = sticky.with_marker(_issues(api), marker)
            for issue in closed:
                _close(api, issue)
                api.call("POST", f"{_repository()}/issues/{issue.id}/comments", {"body": markdown})
            return Posted("closed" if closed else "unchanged", closed[0].url if closed else "")

        return api.attempted(act)


def _pull_request() -> Mapping[str, Any]:
    value = read_event("GITHUB_EVENT_PATH").get("pull_request")
    return value if isinstance(value, dict) else {}


def _escaped(text: str, *, property_value: bool = False) -> str:
    """Escape as the runner reads it back: a line can then begin no command of its own.

    https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts
    """
    escapes = {"%": "%25", "\r": "%0D", "\n": "%0A"} | ({":": "%3A", ",": "%2C"} if property_value else {})
    return "".join(escapes.get(c, c) for c in text)


def _api(permission: str) -> Api | str:
    """Return the API as this job may use it, or why it can't."""
    token = os.environ.get("GITHUB_TOKEN", "")
    if not token or not _repository_name():
        return "GITHUB_TOKEN isn't set: give the step `env: {GITHUB_TOKEN: ${{ github.token }}}`"
    refused = f"the job needs `permissions: {{{permission}}}`; a fork's and Dependabot's token may only read"
    return Api(
        "GitHub",
        os.environ.get("GITHUB_API_URL", "https://api.github.com"),
        {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {token}",
            "X-GitHub-Api-Version": "2022-11-28",
        },
        token=token,
        hints={403: refused, 404: refused},
    )


def _repository_name() -> str:
    name = os.environ.get("GITHUB_REPOSITORY", "")
    return name if re.fullmatch(r"[\w.-]+/[\w.-]+", name) else ""


def _repository() -> str:
    return f"/repos/{_repository_name()}"


def _own(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """Yield what was made with this token's account: anybody may write our marker into a comment of theirs."""
    login = ""
    if not api.token.startswith(_INSTALLATION):
        try:
            login = str((api.call("GET", "/user") or {}).get("login", ""))
        except ApiError as error:
            if isinstance(error, PassingError) or error.status not in {401, 403, 404}:
                raise
    for raw in api.pages(path):
        user = raw.get("user") or {}
        if user.get("login") == login or (not login and user.get("type") == "Bot"):
            yield raw


def _item(raw: Mapping[str, Any], key: str) -> Item:
    return Item(str(raw[key]), raw.get("body") or "", raw.get("title") or "", raw.get("html_url") or "")


def _comments(api: Api, number: str) -> Items:
    """https://docs.github.com/en/rest/issues/comments."""
    base = f"{_repository()}/issues"

    def own() -> Iterator[Item]:
        return (_item(raw, "id") for raw in _own(api, f"{base}/{number}/comments?per_page=100"))

    def create(_title: str, text: str) -> Item:
        return _item(api.call("POST", f"{base}/{number}/comments", {"body": text}), "id")

    def update(item: Item, _title: str, text: str) -> Item:
        return _item(api.call("PATCH", f"{base}/comments/{item.id}", {"body": text}), "id")

    return Items(own, create, update, lambda item: api.remove(f"{base}/comments/{item.id}"))


def _issues(api: Api) -> Items:
    """https://docs.github.com/en/rest/issues/issues."""
    base = f"{_repository()}/issues"

    def own() -> Iterator[Item]:
        issues = _own(api, f"{base}?state=open&sort=created&direction=asc&per_page=100")
        return (_item(raw, "number") for raw in issues if "pull_request" not in raw)

    def create(title: str, text: str) -> Item:
        return _item(api.call("POST", base, {"title": title, "body": text}), "number")

    def update(item: Item, title: str, text: str) -> Item:
        return _item(api.call("PATCH", f"{base}/{item.id}", {"title": title, "body": text}), "number")

    return Items(own, create, update, lambda item: _close(api, item))


def _close(api: Api, issue: Item) -> None:
    api.call("PATCH", f"{_repository()}/issues/{issue.id}", {"state": "closed", "state_reason": "completed"})


FORGE = GitHub()
