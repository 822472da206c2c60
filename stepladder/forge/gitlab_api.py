"""GitLab's REST API as a job uses it: one note on a merge request, one issue.

Imported when something is posted: every command asks a forge whether it runs there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from stepladder.forge import sticky
from stepladder.forge.api import Api, ApiError, PassingError
from stepladder.forge.gitlab import own_project
from stepladder.forge.interface import Posted
from stepladder.forge.sticky import Item, Items

TOKEN = "GITLAB_TOKEN"  # noqa: S105 - a variable's name
_TITLE = 255
_DESCRIPTION = 1_048_576


def comment(number: str, markdown: str, marker: str, limit: int) -> Posted:
    """Make a merge request have one note with a marker; see `Forge.comment`."""
    text = sticky.cut_to(markdown, limit, marker)
    return _posted(lambda api: sticky.post(_notes(api, number), "", text, marker, limit))


def section(number: str, markdown: str, marker: str, name: str, limit: int) -> Posted:
    """Make a merge request's note with a marker have a section; see `Forge.section`."""
    return _posted(lambda api: sticky.post_section(_notes(api, number), markdown, marker, name, limit))


def is_closed(number: str) -> bool | None:
    """Say whether a merge request is closed or merged; None where GitLab doesn't say.

    https://docs.gitlab.com/api/merge_requests/#get-single-mr
    """
    api = _api()
    if isinstance(api, str):
        return None
    raw = api.read(f"/projects/{_project()}/merge_requests/{number}")
    return {"closed": True, "merged": True, "locked": False, "opened": False}.get(str(raw.get("state")))


def issue(title: str, markdown: str, marker: str) -> Posted:
    """Make the project have one open issue with a marker; see `Forge.issue`."""
    text = sticky.cut_to(markdown, _DESCRIPTION, marker)
    return _posted(lambda api: sticky.post(_issues(api), title[:_TITLE], text, marker))


def close_issue(markdown: str, marker: str) -> Posted:
    """Close our open issues with a marker, each with a last note; see `Forge.close_issue`."""

    def act(api: Api) -> Posted:
        def say(issue: Item) -> None:
            api.call("POST", f"/projects/{_project()}/issues/{issue.id}/notes", {"body": markdown})

        return sticky.close(_issues(api), say, marker)

    return _posted(act)


def _posted(act: Callable[[Api], Posted]) -> Posted:
    api = _api()
    return Posted(problem=api) if isinstance(api, str) else api.attempted(lambda: act(api))


def _project() -> str:
    return quote(own_project(), safe="")


def _api() -> Api | str:
    """Return the API as this job may use it, or why it can't."""
    token, base = os.environ.get(TOKEN, "").strip(), os.environ.get("CI_API_V4_URL", "")
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
    page = os.environ.get("CI_MERGE_REQUEST_PROJECT_URL") or os.environ.get("CI_PROJECT_URL", "")

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
