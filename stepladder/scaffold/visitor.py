"""Somebody who uses the function while it is released: signed calls of its URL, counted."""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

_SECONDS = 30.0


@dataclass(frozen=True)
class Answer:
    """What came back. `status` is 0 when nothing did."""

    status: int
    body: str


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
    """Calls a URL again and again in the background, and counts what came back."""

    def __init__(self, url: str, env: Mapping[str, str], pause: float = 0.05) -> None:
        self.answered = 0
        self.errors = 0
        self._url, self._env, self._pause = url, dict(env), pause
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._visit, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(_SECONDS)

    def told(self) -> str:
        """Say what was seen so far."""
        return f"a visitor called production {self.answered + self.errors} times: {self.errors} errors"

    def _visit(self) -> None:
        while not self._stop.is_set():
            if get(self._url, self._env).status == 200:  # noqa: PLR2004 - HTTP's OK
                self.answered += 1
            else:
                self.errors += 1
            time.sleep(self._pause)
