"""Between a peer and the local cloud: a reverse proxy for what a tool can only be told by AWS's own host names.

    python -m peers.proxy CLOUD_URL

It prints its address and serves until it is ended. It changes two things. In ECR's answers the host name of an
account's registry becomes the cloud's address, so that the tool's engine pushes there. In CloudFormation's requests a
template's URL at an address (127.0.0.1) says `localhost`, which Moto takes for a URL with the bucket in its path.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import urllib3

from localcloud.http.server import Server

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "host", "content-length", "expect"}
_ECR = "AmazonEC2ContainerRegistry"
_REGISTRY = re.compile(rb"\d{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com")
_TEMPLATE = re.compile(rb"(TemplateURL=https?%3A%2F%2F)127\.0\.0\.1")


class Proxy:
    """The WSGI app in front of the cloud at `url`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._host = urlsplit(url).netloc
        self._pool = urllib3.PoolManager(maxsize=16, retries=False)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        """Hand one request on, and its answer back."""
        body = _TEMPLATE.sub(rb"\1localhost", environ["wsgi.input"].read())
        headers = {name: value for name, value in environ["stepladder.headers"] if name.lower() not in HOP_BY_HOP}
        answer = self._pool.request(
            environ["REQUEST_METHOD"],
            f"{self._url}{environ['RAW_URI']}",
            body=body or None,
            headers={**headers, "Host": self._host, "Content-Length": str(len(body))},
            redirect=False,
            decode_content=False,
            timeout=300,
        )
        data = answer.data
        if str(environ.get("HTTP_X_AMZ_TARGET", "")).startswith(_ECR):
            data = _REGISTRY.sub(self._host.encode(), data)
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
