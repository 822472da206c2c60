"""A forge's REST API over HTTPS: pages, redirects, limits on rates, one deadline for all of it.

Nothing here raises out of a forge: `attempted` makes one line of whatever went wrong, without the token.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from stepladder.core.display import cut, one_line
from stepladder.core.endpoints import is_loopback
from stepladder.forge.interface import Posted

DEADLINE = 40.0
"""Seconds that everything for one comment or issue may take together."""
_CONNECT, _READ = 5.0, 15.0
_TRIES = 4
_PAUSE = 1.0
_REDIRECTS = 5
_LIMITED = 60.0
"""Seconds to wait when a limit names none: https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api."""
_LONGEST = 200
_BUNDLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_NEXT = r'<([^<>]*)>;[^,]*\brel="?next"?'

clock, sleep = time.monotonic, time.sleep
"""Tests put others here."""


class ApiError(Exception):
    """The forge said no, for good; the message is for a person."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class PassingError(ApiError):
    """Something that passes by itself: to be tried again after at least `after` seconds."""

    def __init__(self, message: str, status: int = 0, after: float = _PAUSE) -> None:
        super().__init__(message, status)
        self.after = after


class Api:
    """One API with one token, until a deadline. `hint` says per status what a person may do about a refusal."""

    def __init__(
        self, name: str, base: str, headers: Mapping[str, str], *, token: str, hints: Mapping[int, str] | None = None
    ) -> None:
        self.name = name
        self.base = base.rstrip("/")
        self.ends = clock() + DEADLINE
        self._headers = {"User-Agent": "stepladder", **headers}
        self.token = token
        self._hints = hints or {}
        self._pool: Any = None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Make one call and return its JSON; None for an answer without any. Raises `ApiError`, `PassingError`."""
        return self._answer(method, f"{self.base}{path}", body)[0]

    def read(self, path: str) -> Mapping[str, Any]:
        """Return the JSON object of a path; an empty one where the forge gives none. Never raises nor hangs."""
        values: list[Any] = []

        def act() -> Posted:
            values.append(self.call("GET", path))
            return Posted("unchanged")

        self.attempted(act)
        return values[-1] if values and isinstance(values[-1], dict) else {}

    def remove(self, path: str) -> None:
        """Delete something; that it is gone already is fine."""
        try:
            self.call("DELETE", path)
        except ApiError as error:
            if error.status not in {404, 410}:
                raise

    def pages(self, path: str) -> Iterator[dict[str, Any]]:
        """Yield the items of a list, page after page (https://www.rfc-editor.org/rfc/rfc8288, `rel="next"`)."""
        url = f"{self.base}{path}"
        while url:
            items, headers = self._answer("GET", url, None)
            if not isinstance(items, list):
                raise ApiError(f"{self.name} answered with something else than a list")
            yield from (item for item in items if isinstance(item, dict))
            following = re.search(_NEXT, headers.get("Link", ""))
            url = self._own(urljoin(url, following[1])) if following else ""

    def attempted(self, act: Callable[[], Posted]) -> Posted:
        """Carry out `act`, again from its beginning when something passing is in its way; never raise nor hang.

        `act` must read what there is before it makes anything: an answer that got lost is then no second comment.
        """
        results: list[Posted] = []
        worker = threading.Thread(target=lambda: results.append(self._attempts(act)), daemon=True)
        worker.start()  # a name that isn't resolved, or an answer that drips, keeps to no timeout of a socket
        worker.join(DEADLINE + 1)
        return results[0] if results else Posted(problem=self._slow())

    def _attempts(self, act: Callable[[], Posted]) -> Posted:
        for number in range(1, _TRIES + 1):
            try:
                return act()
            except PassingError as error:
                if number == _TRIES or clock() + error.after >= self.ends:
                    return Posted(problem=self._line(str(error)))
                sleep(error.after)
            except ApiError as error:
                return Posted(problem=self._line(str(error)))
            except Exception as error:  # noqa: BLE001 - whatever a forge answers, a release doesn't fail for it
                return Posted(problem=self._line(f"{self.name} answered unexpectedly: {type(error).__name__} {error}"))
        raise AssertionError("the last attempt returns")

    def _slow(self) -> str:
        return f"{self.name} was too slow: {DEADLINE:.0f} seconds are over"

    def _line(self, text: str) -> str:
        return cut(one_line(text.replace(self.token, "***") if self.token else text), _LONGEST)

    def _own(self, url: str) -> str:
        """Return a URL of this API; the token goes nowhere else."""
        if urlsplit(url)[:2] != urlsplit(self.base)[:2]:
            raise ApiError(f"{self.name} leads to {urlsplit(url).hostname}, which gets no token")
        return url

    def _answer(self, method: str, url: str, body: Mapping[str, Any] | None) -> tuple[Any, Mapping[str, str]]:
        import urllib3

        if not (self.token.isascii() and self.token.isprintable()):  # urllib3 would show it in its message
            raise ApiError(f"the token for {self.name} holds characters that no token has: copy it anew")
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
            raise ApiError(f"{parts.scheme or 'no scheme'}://{parts.hostname} gets no token: only HTTPS does")
        for _ in range(_REDIRECTS):
            left = self.ends - clock()
            if left <= 0:
                raise ApiError(self._slow())
            try:
                answer = self._connections().request(
                    method,
                    url,
                    body=None if body is None else json.dumps(body).encode(),
                    headers={**self._headers, **({} if body is None else {"Content-Type": "application/json"})},
                    redirect=False,
                    retries=False,
                    timeout=urllib3.Timeout(connect=min(_CONNECT, left), read=min(_READ, left), total=left),
                )
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise PassingError(f"{self.name} can't be reached: {_reason(error)}") from error
            if answer.status not in {301, 302, 307, 308}:
                return self._read(method, answer), answer.headers
            url = self._own(urljoin(url, answer.headers.get("Location", "")))
        raise ApiError(f"{self.name} redirects without end")

    def _connections(self) -> Any:
        import os
        import ssl
        import urllib.request

        import urllib3

        if self._pool is None:
            options: dict[str, Any] = {}
            if self.base.startswith("https"):
                bundle = next(filter(None, map(os.environ.get, _BUNDLES)), None)
                options["ssl_context"] = ssl.create_default_context(cafile=bundle)
            proxy = urllib.request.getproxies().get(urlsplit(self.base).scheme, "")
            through = proxy and not is_loopback(self.base)
            through = through and not urllib.request.proxy_bypass(urlsplit(self.base).hostname or "")
            self._pool = urllib3.ProxyManager(proxy, **options) if through else urllib3.PoolManager(**options)
        return self._pool

    def _read(self, method: str, answer: Any) -> Any:
        text = answer.data.decode("utf-8", "replace")
        if answer.status < 300:  # noqa: PLR2004 - HTTP
            if not text.strip():
                return None
            try:
                return json.loads(text)
            except ValueError:
                raise ApiError(f"{self.name} answered with something else than JSON") from None
        message = f"{self.name} answered {answer.status}: {_message(text) or answer.reason or 'no reason'}"
        limited = _limited(answer.status, answer.headers, text)
        if limited is not None:
            raise PassingError(f"{self.name} limits the rate of calls: {_message(text)}", answer.status, limited)
        gone = answer.status == 404 and method in {"PATCH", "PUT"}  # noqa: PLR2004 - somebody deleted what was read
        if gone or answer.status in {408, 409} or answer.status >= 500:  # noqa: PLR2004 - HTTP
            raise PassingError(message, answer.status)
        hint = self._hints.get(answer.status, "")
        raise ApiError(f"{message} ({hint})" if hint else message, answer.status)


def _limited(status: int, headers: Mapping[str, str], text: str) -> float | None:
    """Return how many seconds to wait when an answer is a limit on the rate of calls, else None.

    GitHub answers 403 for most of its limits, with words of them in the text.
    """
    after = headers.get("Retry-After", "")
    spent = headers.get("X-RateLimit-Remaining", "") == "0"
    if status != 429 and not (status == 403 and (after or spent or "rate limit" in text.lower())):  # noqa: PLR2004
        return None
    if after.isdigit():
        return max(float(after), _PAUSE)
    reset = headers.get("X-RateLimit-Reset", "") or headers.get("RateLimit-Reset", "")
    return max(float(reset) - time.time(), _PAUSE) if reset.isdigit() else _LIMITED


def _message(text: str) -> str:
    """Return what an error's JSON says; nothing of a page that is none."""
    try:
        value = json.loads(text)
    except ValueError:
        return ""
    message = (value.get("message") or value.get("error")) if isinstance(value, dict) else ""
    return message if isinstance(message, str) else json.dumps(message)


def _reason(error: BaseException) -> str:
    """Say in words why a request failed; urllib3's own text holds object addresses."""
    text = re.sub(r"<[^>]*>:?\s*|\(?host='[^']*', port=\d+\)?:?\s*", "", str(error.__cause__ or error))
    return text or type(error).__name__
