"""Refuse what only a web page would send: the root's key is no secret here, so any page in a browser could use it.

A browser lets a page of anybody's send simple requests to this machine, and a name of the page's owner may lead to it
(DNS rebinding). SDKs, Terraform, Docker and curl say no Origin, and name the cloud by its address.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection

from localcloud.cloud import Environ

OWN_NAMES = ("localhost", "host.docker.internal")
_FOREIGN = ("cross-site", "same-site")  # Sec-Fetch-Site: https://www.w3.org/TR/fetch-metadata/


def refusal(environ: Environ, names: Collection[str] = ()) -> str:
    """Return why a request is refused, empty for one that isn't. `names` are further hosts that lead to this cloud."""
    host = str(environ.get("HTTP_HOST", "")).lower()
    if host and not _is_own_name(re.sub(r":\d*$", "", host), names):
        return f"Host {host} is no name of this cloud; start it with --allow-host to add one"
    origin = str(environ.get("HTTP_ORIGIN", "")).lower()
    if origin and origin != f"http://{host}":
        return f"a page of {origin} may not call this cloud"
    if str(environ.get("HTTP_SEC_FETCH_SITE", "")).lower() in _FOREIGN:
        return "a page of another site may not call this cloud"
    return ""


def _is_own_name(name: str, names: Collection[str]) -> bool:
    name = name.rstrip(".")
    if name in OWN_NAMES or name.endswith(".localhost") or name in {known.lower() for known in names}:
        return True
    if re.fullmatch(r"[a-z0-9_-]+", name):
        return True  # no name of the internet has no dot: a container's name, say
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
