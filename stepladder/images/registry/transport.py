"""How registries are reached: HTTPS (plain HTTP here and to a local cloud), proxies, the trust of the AWS SDK."""

from __future__ import annotations

import functools
import os
import ssl
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import urllib3

from stepladder.core.endpoints import is_local_cloud_url
from stepladder.core.retry import RegistryError

CHUNK = 1 << 20
_READ_TIMEOUT = 60.0


def checked(url: str) -> str:
    """Return the URL; plain HTTP to anything but this machine or a local cloud is a `RegistryError`."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_local_cloud_url(url)):
        return url
    raise RegistryError(
        f"{parts.scheme or 'no scheme'}://{parts.hostname} is not spoken to: registries are reached over HTTPS",
        hint="plain HTTP is for this machine and for the local cloud that `AWS_ENDPOINT_URL` names",
    )


def pool(origin: str, connect_timeout: float) -> urllib3.PoolManager:
    """Return the connections to an origin; `connect_timeout` in seconds."""
    options: dict[str, Any] = {
        "timeout": urllib3.Timeout(connect=connect_timeout, read=_READ_TIMEOUT),
        "maxsize": 16,
        "block": False,
        "blocksize": CHUNK,
    }
    if origin.startswith("https"):
        options["ssl_context"] = _tls()
    proxy = urllib.request.getproxies().get(urlsplit(origin).scheme, "")
    if proxy and not is_local_cloud_url(origin) and not urllib.request.proxy_bypass(urlsplit(origin).hostname or ""):
        return urllib3.ProxyManager(proxy, **options)
    return urllib3.PoolManager(**options)


@functools.cache
def _tls() -> ssl.SSLContext:
    """Trust what the AWS SDK trusts, so that one variable serves a company's own authority."""
    bundle = os.environ.get("AWS_CA_BUNDLE") or os.environ.get("REQUESTS_CA_BUNDLE")
    return ssl.create_default_context(cafile=bundle if bundle and Path(bundle).is_file() else None)


def same_origin(url: str, origin: str) -> bool:
    """Say whether a URL belongs to an origin, and so may see its credentials."""
    return urlsplit(url)[:2] == urlsplit(origin)[:2]
