"""GitHub's REST API as a job uses it: one comment on a pull request, one issue.

Imported when something is posted: every command asks a forge whether it runs there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from stepladder.forge import sticky
from stepladder.forge.api import Api, ApiError, PassingError
from stepladder.forge.interface import Posted
from stepladder.forge.sticky import Item, Items

_JSON = "application/vnd.github+json"
_TITLE = 256
_INSTALLATION = "ghs_"  # what the tokens of GitHub Apps begin with, a workflow's among them


def comment(number: str, markdown: str, marker: str, limit: int) -> Posted:
    """Make a pull request have one comment with a marker; see `Forge.comment`."""
    text = sticky.cut_to(markdown, limit, marker)
    return _posted("pull-requests: write", lambda api: sticky.post(_comments(api, number), "", text, marker, limit))


def section(number: str, markdown: str, marker: str, name: str, limit: int) -> Posted:
    """Make a pull request's comment with a marker have a section; see `Forge.section`."""

    def act(api: Api) -> Posted:
        return sticky.post_section(_comments(api, number), markdown, marker, name, limit)

    return _posted("pull-requests: write", act)


def is_closed(number: str) -> bool | None:
    """Say whether a pull request is closed; None where GitHub doesn't say. https://docs.github.com/en/rest/pulls/pulls."""
    api = _api("pull-requests: read")
    if isinstance(api, str):
        return None
    raw = api.read(f"{_repository()}/pulls/{number}")
    return {"closed": True, "open": False}.get(str(raw.get("state")))


def issue(title: str, markdown: str, marker: str, limit: int) -> Posted:
    """Make the repository have one open issue with a marker; see `Forge.issue`."""
    text = sticky.cut_to(markdown, limit, marker)
    return _posted("issues: write", lambda api: sticky.post(_issues(api), title[:_TITLE], text, marker))


def close_issue(markdown: str, marker: str) -> Posted:
    """Close our open issues with a marker, each with a last comment; see `Forge.close_issue`."""

    def act(api: Api) -> Posted:
        def say(issue: Item) -> None:
            api.call("POST", f"{_repository()}/issues/{issue.id}/comments", {"body": markdown})

        return sticky.close(_issues(api), say, marker)

    return _posted("issues: write", act)


def repository(name: str) -> dict[str, Any]:
    """Return what GitHub says of a repository (`owner/name`), with a token or without; nothing where it says no."""
    token = (os.environ.get("GH_TOKEN") or os.environ.get("GITHUB_TOKEN") or "").strip()
    headers = {"Accept": _JSON, **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        return dict(Api("GitHub", _base(), headers, token=token).call("GET", f"/repos/{name}") or {})
    except (ApiError, TypeError, ValueError):
        return {}


def _base() -> str:
    return os.environ.get("GITHUB_API_URL", "https://api.github.com")


def _posted(permission: str, act: Callable[[Api], Posted]) -> Posted:
    api = _api(permission)
    return Posted(problem=api) if isinstance(api, str) else api.attempted(lambda: act(api))


def _api(permission: str) -> Api | str:
    """Return the API as this job may use it, or why it can't."""
    token = os.environ.get("GITHUB_TOKEN", "").strip()  # a secret that was pasted may end in a line break
    if not token or not _repository_name():
        return "GITHUB_TOKEN isn't set: give the step `env: {GITHUB_TOKEN: ${{ github.token }}}`"
    refused = f"the job needs `permissions: {{{permission}}}`; a fork's and Dependabot's token may only read"
    return Api(
        "GitHub",
        _base(),
        {
            "Accept": _JSON,
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
