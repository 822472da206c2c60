"""How a function's URL, and that of an HTTP API in front of it, is shown to people.

The local cloud serves a function below a path of its own address, which every program reaches, and at a host name of
its own, as AWS does: there redirects, cookies and pages' absolute links stay within the function. Names below
`localhost` are this machine (RFC 6761, 6.3); browsers and curl know that by themselves, musl's and macOS's resolvers
often don't. So the name is shown only where it resolves.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import threading
from collections.abc import Callable

_BELOW_A_PATH = (
    r"http://(?:127\.0\.0\.1|localhost):(?P<port>\d+)"
    r"/(?:_url/(?P<function>[a-z0-9]{32})|_api/(?P<api>[a-z0-9]{8,10}))/"
)
_SECONDS = 0.5  # a name server that doesn't answer must hold nobody up

Resolver = Callable[[str, int], list[str]]
"""Return the addresses of a name and a port; raise OSError when there are none."""


def shown(url: str, resolve: Resolver | None = None) -> str:
    """Return the address to print: the local cloud's own name for the function where that resolves, else `url`."""
    match = re.fullmatch(_BELOW_A_PATH, url)
    if not match:
        return url
    function, port = match["function"], match["port"]
    name = f"{function}.lambda-url.localhost" if function else f"{match['api']}.execute-api.localhost"
    return f"http://{name}:{port}/" if _is_local(name, int(port), resolve or _addresses) else url


def _is_local(name: str, port: int, resolve: Resolver) -> bool:
    addresses: list[str] = []

    def ask() -> None:
        try:
            addresses.extend(resolve(name, port))
        except (OSError, UnicodeError):
            addresses.clear()

    thread = threading.Thread(target=ask, daemon=True, name="resolve")
    thread.start()
    thread.join(_SECONDS)
    answered = list(addresses)
    # Some name servers answer every unknown name with an address of their own
    return bool(answered) and all(ipaddress.ip_address(address).is_loopback for address in answered)


def _addresses(name: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)]
