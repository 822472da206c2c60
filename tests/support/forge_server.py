"""A forge for tests: a real HTTP server that speaks the few calls of GitHub's and GitLab's APIs that jobs make.

    with serving() as forge:
        variables = forge.github(pull_request=7)      # or forge.gitlab(merge_request=7)
        ...                                           # whatever posts
        assert forge.comments == ["<!-- stepladder:plan -->\\n..."]

`python tests/support/forge_server.py --port 8765` serves in the foreground. `GET /_forge/state` answers with what was
made and which calls came; `POST /_forge/faults` takes the fields of `Fault` for calls whose path holds `path`.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

REPOSITORY, PROJECT_ID = "acme/orders", "42"
TOKEN = "ghs_forge-server-token"
PROJECT_TOKEN = "glpat-forge-server-token"
BOTS = {TOKEN: "github-actions[bot]", PROJECT_TOKEN: "project_42_bot"}
SOMEBODY = "mallory"
LIMITS = {"github": 65_536, "gitlab": 1_000_000}


@dataclasses.dataclass
class Fault:
    """An answer that stands in for the real one, for `times` calls; negative: for all."""

    status: int
    """0 cuts the connection."""
    method: str = ""
    path: str = ""
    times: int = -1
    message: str = ""
    headers: dict[str, str] = dataclasses.field(default_factory=dict)
    delay: float = 0.0
    raw: str = ""
    """The answer's text, in place of JSON with the message."""
    after: bool = False
    """The call is carried out before it is answered so."""


@dataclasses.dataclass
class Entry:
    """A comment (of a pull or merge request, or of an issue) or an issue; `on` is a comment's number of it."""

    id: int
    kind: str
    body: str
    author: str
    on: int = 0
    title: str = ""
    state: str = "open"


class ForgeServer:
    """What the forge holds. Everything is of one repository."""

    def __init__(self, port: int = 0) -> None:
        self.entries: list[Entry] = []
        self.calls: list[tuple[str, str]] = []
        self.tokens: list[str] = []
        self.faults: list[Fault] = []
        self.changes: dict[int, str] = {}
        """The states of pull and merge requests by their numbers: open or opened, closed, merged."""
        self._ids = itertools.count(1)
        self._lock = threading.RLock()
        forge = self

        class Handler(_Handler):
            server_forge = forge

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def comments(self) -> list[str]:
        """The texts of all comments on pull and merge requests."""
        return [entry.body for entry in self.entries if entry.kind == "comment"]

    @property
    def issues(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.kind == "issue"]

    @property
    def writes(self) -> list[tuple[str, str]]:
        return [call for call in self.calls if call[0] != "GET"]

    def fail(self, status: int, **fields: Any) -> None:
        """Refuse calls, limit them (429 with a Retry-After) or cut them (0)."""
        self.faults.append(Fault(status, **fields))

    def add(
        self, body: str, *, author: str = BOTS[TOKEN], on: int = 7, kind: str = "comment", title: str = ""
    ) -> Entry:
        """Write a comment or an issue in somebody's name."""
        with self._lock:
            entry = Entry(next(self._ids), kind, body, author, on, title)
            self.entries.append(entry)
            return entry

    def remove(self, entry: Entry) -> None:
        with self._lock:
            self.entries.remove(entry)

    def github(self, *, pull_request: int = 0) -> dict[str, str]:
        """Return the variables of a job of GitHub that can write."""
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": self.url,
            "GITHUB_REPOSITORY": REPOSITORY,
            "GITHUB_RUN_ID": "1001",
            "GITHUB_SERVER_URL": self.url,
            "GITHUB_TOKEN": TOKEN,
            **({"GITHUB_REF": f"refs/pull/{pull_request}/merge"} if pull_request else {}),
        }

    def gitlab(self, *, merge_request: int = 0) -> dict[str, str]:
        """Return the variables of a job of GitLab that can write."""
        return {
            "GITLAB_CI": "true",
            "CI_API_V4_URL": f"{self.url}/api/v4",
            "CI_PROJECT_ID": PROJECT_ID,
            "CI_PROJECT_URL": f"{self.url}/{REPOSITORY}",
            "GITLAB_TOKEN": PROJECT_TOKEN,
            **({"CI_MERGE_REQUEST_IID": str(merge_request)} if merge_request else {}),
        }

    def state(self) -> dict[str, Any]:
        return {"entries": [dataclasses.asdict(entry) for entry in self.entries], "calls": self.calls}

    def fault_of(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self.faults:
                if fault.times and fault.method in {"", method} and fault.path in path:
                    fault.times -= 1
                    return fault
        return None


class _Handler(BaseHTTPRequestHandler):
    server_forge: ForgeServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # head and body are two writes

    def log_message(self, *_arguments: object) -> None:
        """Nothing on standard error."""

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else {}
        parts = urlsplit(self.path)
        forge = self.server_forge
        if parts.path == "/_forge/state":
            return self._send(200, forge.state())
        if parts.path == "/_forge/faults":
            forge.fail(body.pop("status"), **body)
            return self._send(200, {})
        forge.calls.append((self.command, self.path))
        token = self.headers.get("PRIVATE-TOKEN") or self.headers.get("Authorization", "").removeprefix("Bearer ")
        forge.tokens.append(token)
        fault = forge.fault_of(self.command, self.path)
        if fault:
            time.sleep(fault.delay)
            if fault.after:
                self._answer(parts.path, parse_qs(parts.query), body, BOTS.get(token, ""))
            if not fault.status:
                self.close_connection = True
                return self.connection.close()
            refused = fault.raw.encode() if fault.raw else {"message": fault.message or "refused by the test"}
            return self._send(fault.status, refused, fault.headers)
        if token not in BOTS:
            return self._send(401, {"message": "Bad credentials"})
        status, answer, headers = self._answer(parts.path, parse_qs(parts.query), body, BOTS[token])
        return self._send(status, answer, headers)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815 - http.server's names

    def _answer(  # noqa: PLR0911 - one for each route
        self, path: str, query: Mapping[str, list[str]], body: Mapping[str, Any], account: str
    ) -> tuple[int, Any, dict[str, str]]:
        forge = "gitlab" if path.startswith("/api/v4/") else "github"
        if path in {"/user", "/api/v4/user"}:
            if forge == "github" and account.endswith("[bot]"):
                return 403, {"message": "Resource not accessible by integration"}, {}
            return 200, {"id": account, "login": account}, {}
        base = f"/api/v4/projects/{PROJECT_ID}" if forge == "gitlab" else f"/repos/{REPOSITORY}"
        if not unquote(path).startswith(base):
            return 404, {"message": "Not Found"}, {}
        change = re.fullmatch(r"/(?:pulls|merge_requests)/(\d+)", path[len(base) :])
        if change and self.command == "GET":
            state = self.server_forge.changes.get(int(change[1]), "")
            return (200, {"state": state}, {}) if state else (404, {"message": "Not Found"}, {})
        limit, text = LIMITS[forge], body.get("body") or body.get("description") or ""
        if len(text) > limit:
            return 422, {"message": f"Validation Failed: body is too long (maximum is {limit} characters)"}, {}
        status, result = _routed(self.server_forge, self.command, path[len(base) :], body, account)
        if isinstance(result, list):
            return self._page(path, query, [_shown(entry, forge) for entry in result])
        return status, None if result is None else _shown(result, forge), {}

    def _page(self, path: str, query: Mapping[str, list[str]], items: list[Any]) -> tuple[int, Any, dict[str, str]]:
        size, number = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
        rest = items[(number - 1) * size :]
        following = "&".join(f"{key}={values[0]}" for key, values in {**query, "page": [str(number + 1)]}.items())
        link = {"Link": f'<{self.server_forge.url}{path}?{following}>; rel="next"'} if len(rest) > size else {}
        return 200, rest[:size], link

    def _send(self, status: int, answer: Any, headers: Mapping[str, str] | None = None) -> None:
        data = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


def _routed(  # noqa: PLR0911 - one for each route
    forge: ForgeServer, method: str, path: str, body: Mapping[str, Any], account: str
) -> tuple[int, list[Entry] | Entry | None]:
    """Carry out one call, by the paths of both APIs."""
    text, title = body.get("body") or body.get("description") or "", body.get("title", "")
    lists = re.fullmatch(r"/(?:issues|merge_requests)/(\d+)/(?:comments|notes)", path)
    if lists and method == "GET":
        return 200, [e for e in forge.entries if e.kind != "issue" and e.on == int(lists[1])]
    if lists:
        known = any(e.kind == "issue" and e.id == int(lists[1]) for e in forge.entries)
        return 201, forge.add(text, author=account, on=int(lists[1]), kind="issue comment" if known else "comment")
    if path == "/issues" and method == "GET":
        return 200, [e for e in forge.issues if e.state == "open"]
    if path == "/issues":
        return 201, forge.add(text, author=account, on=0, kind="issue", title=title)
    one = re.fullmatch(r"/(?:issues/comments/(\d+)|merge_requests/\d+/notes/(\d+)|issues/(\d+))", path)
    number = int(next(filter(None, one.groups()))) if one else 0
    entry = next((e for e in forge.entries if e.id == number), None)
    if entry is None:
        return 404, None
    if method == "DELETE":
        forge.remove(entry)
        return 204, None
    entry.body, entry.title = text or entry.body, title or entry.title
    if body.get("state") == "closed" or body.get("state_event") == "close":
        entry.state = "closed"
    return 200, entry


def _shown(entry: Entry, forge: str) -> dict[str, Any]:
    if forge == "github":
        kind = "Bot" if entry.author.endswith("[bot]") else "User"
        shown = {
            "id": entry.id,
            "number": entry.id,
            "body": entry.body,
            "state": entry.state,
            "user": {"login": entry.author, "type": kind},
            "html_url": f"https://github.example/{REPOSITORY}/issues/{entry.on or entry.id}#{entry.id}",
        }
        return shown | ({"title": entry.title} if entry.kind == "issue" else {})
    return {
        "id": entry.id,
        "iid": entry.id,
        "body": entry.body,
        "description": entry.body,
        "title": entry.title,
        "system": False,
        "author": {"id": entry.author},
        "web_url": f"https://gitlab.example/{REPOSITORY}/-/issues/{entry.id}",
    }


@contextlib.contextmanager
def serving(port: int = 0) -> Iterator[ForgeServer]:
    """Serve in a thread for the length of a block."""
    forge = ForgeServer(port)
    forge.start()
    try:
        yield forge
    finally:
        forge.stop()


def main() -> None:
    """Serve until the process is ended; print the address."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0)
    with serving(parser.parse_args().port) as forge:
        print(forge.url, flush=True)  # noqa: T201 - it is a program of its own
        threading.Event().wait()


if __name__ == "__main__":
    main()
