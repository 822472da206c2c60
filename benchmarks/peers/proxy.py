"""Between a peer and the local cloud: a reverse proxy for what a tool can only be told by AWS's own host names.

    python -m peers.proxy CLOUD_URL

It prints its address and serves until it is ended. It changes ECR's answers alone: the host name of an account's
registry, and the proxy's own address, become the cloud's, so that the tool's engine pushes there. Requests stay as they
are signed.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import urllib3

from localcloud.http.server import Server

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect"}
_ECR = "AmazonEC2ContainerRegistry"
_REGISTRY = re.compile(rb"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")


class Proxy:
    """The WSGI app in front of the cloud at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._host = urlsplit(url).netloc.encode()
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Hand one request on, and its answer back."""
        body = environ["wsgi.input"].read()
        headers = {name: value for name, value in environ["stepladder.headers"] if name.lower() not in HOP_BY_HOP}
        answer = self._pool.request(
            environ["REQUEST_METHOD"],
            f"{self._url}{environ['RAW_URI']}",
            body=body or None,
            headers={**headers, "Content-Length": str(len(body))},
            redirect=False,
            decode_content=False,
            timeout=300,
        )
        data = answer.data
        if str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith(_ECR):
            data = _REGISTRY.sub(self._host, data).replace(environ["HTTP_HOST"].encode(), self._host)
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
        size = answer.headers["Content-Length"] if environ["REQUEST_METHOD"] == "HEAD" else str(len(data))
        start(f"{answer.status} {answer.reason or ''}", [*kept, ("Content-Length", size)])
        return [data]


def main(url: str) -> None:
    """Serve until the process is ended."""
    server = Server("127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    server.serve(Proxy(url))


if __name__ == "__main__":
    main(sys.argv[1])
