"""People who use the function while it is released: signed calls of its URL, counted."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Self

OK, FUNCTION_FAILED = 200, 502  # how a function URL answers for a function that raised

_SECONDS = 30.0
_PEOPLE = 3  # one alone waits for each cold start


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is 0 when nothing did."""

    status: int
    body: str


@dataclass(frozen=True)
class Count:
    """How many calls there were: those that didn't answer 200, and those that met the new version."""

    calls: int = 0
    errors: int = 0
    met: int = 0

    def since(self, earlier: Count) -> Count:
        """Return what came after an earlier count."""
        return Count(self.calls - earlier.calls, self.errors - earlier.errors, self.met - earlier.met)


def get(url: str, env: Mapping[str, str]) -> Answer:
    """Call a function URL with AWS_IAM authorization, signed with the credentials in `env`."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    signed = AWSRequest("GET", url)
    credentials = Credentials(env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    SigV4Auth(credentials, "lambda", env["AWS_REGION"]).add_auth(signed)
    request = urllib.request.Request(url, headers=dict(signed.headers))  # noqa: S310 - the cloud's own address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # it is this machine, whatever proxy is set
    try:
        with opener.open(request, timeout=_SECONDS) as answer:
            return Answer(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read().decode())
    except OSError as error:
        return Answer(0, str(error))


class Visitor:
    """Several people who call a URL again and again in the background; counts what came back.

    `is_new` knows an answer of the new version.
    """

    def __init__(self, url: str, env: Mapping[str, str], is_new: Callable[[Answer], bool], pause: float = 0.05) -> None:
        self._url, self._env, self._is_new, self._pause = url, dict(env), is_new, pause
        self._count = Count()
        self._counting = threading.Lock()
        self._stop = threading.Event()
        self._people = [threading.Thread(target=self._visit, daemon=True) for _ in range(_PEOPLE)]

    def __enter__(self) -> Self:
        for person in self._people:
            person.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for person in self._people:
            person.join(_SECONDS)

    @property
    def count(self) -> Count:
        """What was seen so far."""
        return self._count

    def summary(self) -> str:
        """Say what was seen so far."""
        seen = self._count
        came = f"{_PEOPLE} visitors called production {seen.calls} times"
        return f"{came}: {seen.errors} errors, {seen.met} answers of the new version"

    def _visit(self) -> None:
        while not self._stop.is_set():
            answer = get(self._url, self._env)
            with self._counting:
                self._count = replace(
                    self._count,
                    calls=self._count.calls + 1,
                    errors=self._count.errors + (answer.status != OK),
                    met=self._count.met + self._is_new(answer),
                )
            self._stop.wait(self._pause)
