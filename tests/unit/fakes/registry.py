"""A registry that fails on request: the local cloud's own distribution API behind a layer of faults, over a socket."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

from localcloud.http.server import ConnectionCut, Server
from localcloud.services.ecr.registry import DistributionApi
from localcloud.services.ecr.store import ImageStore, RepositoryKey
from localcloud.services.ecr.tokens import USER, Tokens
from stepladder.images.registry.client import RegistryClient

ACCOUNT, REGION = "111111111111", "eu-west-1"
App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Fault:
    """What happens to the next `times` requests whose "VERB path" matches.

    `status` is answered instead (with `headers`); `cut` drops the connection after so many bytes of the request's body;
    `truncate` after so many of the answer's; `swap` replaces the answer's body.
    """

    match: str
    times: int = 1
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    cut: int = -1
    truncate: int = -1
    swap: bytes = b""


class _Short:
    """A request's body that ends in a cut."""

    def __init__(self, body: BinaryIO, limit: int) -> None:
        self._body, self._left = body, limit

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise ConnectionCut
        data = self._body.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(data)
        return data


class FaultyRegistry:
    """Use it as a context manager; `repositories` maps names to their tag mutability."""

    def __init__(self, folder: Path) -> None:
        self.store, self.tokens = ImageStore(folder), Tokens()
        self.repositories = {"demo": "IMMUTABLE", "other": "MUTABLE"}
        self.mounting = True
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self.logins = 0
        self._api = DistributionApi(self.store, self.tokens, self)
        self._server = Server("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.port}"
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve, args=(self.app,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop()

    def client(self, **options: Any) -> RegistryClient:
        return RegistryClient(self.url, login=self.login, **options)

    def login(self) -> tuple[str, str]:
        self.logins += 1
        return USER, self.tokens.password(ACCOUNT, REGION)

    def key(self, name: str = "demo") -> RepositoryKey:
        return RepositoryKey(ACCOUNT, REGION, name)

    def count(self, pattern: str) -> int:
        return sum(bool(re.search(pattern, request)) for request in self.requests)

    # What the distribution API asks

    def repository(self, key: RepositoryKey) -> Any:
        return self.repositories.get(key.name)

    def immutable(self, key: RepositoryKey, _tag: str) -> bool:
        return self.repositories[key.name] == "IMMUTABLE"

    def mounts(self, _account: str) -> bool:
        return self.mounting

    def app(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        request = f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}"
        with self._lock:
            self.requests.append(request)
            fault = next((f for f in self.faults if f.times > 0 and re.search(f.match, request)), None)
            if fault:
                fault.times -= 1
        if fault is None:
            return self._api(environ, start)
        if fault.status:
            start(f"{fault.status} X", [*fault.headers, ("Content-Length", "0")])
            return [b""]
        if fault.cut >= 0:
            environ["wsgi.input"] = _Short(environ["wsgi.input"], fault.cut)
            chunks = self._api(environ, start)
            raise ConnectionCut  # the body was shorter than the cut, or a GET
            return chunks
        return self._changed(environ, start, fault)

    def _changed(self, environ: dict[str, Any], start: Callable[..., Any], fault: Fault) -> Iterator[bytes]:
        answers: list[Any] = []
        body = b"".join(self._api(environ, lambda status, headers: answers.extend((status, headers))))
        headers = [(name, value) for name, value in answers[1] if name.lower() != "content-length"]
        if fault.swap:
            body = fault.swap
        start(answers[0], [*headers, ("Content-Length", str(len(body)))])
        return self._part(body, fault.truncate)

    @staticmethod
    def _part(body: bytes, limit: int) -> Iterator[bytes]:
        if limit < 0:
            yield body
            return
        yield body[:limit]
        raise ConnectionCut
