"""Where calls go: to AWS itself, to an endpoint that the SDK's own standards name, to a local cloud.

The standards are the SDK's: variables first (the service's own, then AWS_ENDPOINT_URL), then the profile (`services`
section, then `endpoint_url`). Nothing is heard while the SDK is set to ignore them.
https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
"""

from __future__ import annotations

import functools
import ipaddress
import json
import os
import socket
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

GLOBAL = "AWS_ENDPOINT_URL"
IGNORE = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
_FILES = {"AWS_CONFIG_FILE": "~/.aws/config", "AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials"}
_SECONDS = 1.0
_SERVICE = "lambda"  # what is released runs there


def endpoint() -> str:
    """Return the endpoint of Lambda that variables or the profile name, or an empty string for AWS itself."""
    if os.environ.get(IGNORE, "").lower() == "true":
        return ""
    named = os.environ.get(f"{GLOBAL}_{_SERVICE.upper()}") or os.environ.get(GLOBAL)
    if named:
        return named
    profile, services = _profile()
    return str(services.get(_SERVICE, {}).get("endpoint_url") or profile.get("endpoint_url") or "")


def is_real() -> bool:
    """Say whether calls go to AWS itself: no endpoint is named, the SDK is set to ignore it, or it is AWS's own."""
    return not endpoint() or (urlsplit(endpoint()).hostname or "").endswith(_AWS)


def is_loopback(url: str) -> bool:
    """Say whether a URL's host is this machine."""
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_local_cloud(url: str) -> bool:
    """Say whether an endpoint is a local cloud: on this machine, or elsewhere by its own word (asked for once)."""
    return is_loopback(url) or (urlsplit(url).scheme == "http" and _answers_as_local_cloud(url.rstrip("/")))


def is_local_cloud_url(url: str) -> bool:
    """Say whether a URL is of this machine, or of the local cloud that the endpoint names: plain HTTP is fine there."""
    if is_loopback(url):
        return True
    given, own = urlsplit(url), urlsplit(endpoint())
    return given[:2] == own[:2] and is_local_cloud(endpoint())


def for_terraform() -> dict[str, str]:
    """Return the endpoint as Terraform can use it.

    A local cloud goes by its address instead of its name: to a name the AWS SDK for Go adds the bucket
    (`http://bucket.name:4600`), which nothing resolves; to an address not. And STS has its own variable: no other is
    read where the S3 backend takes a role with the identity token of a CI job.
    """
    if os.environ.get(IGNORE, "").lower() == "true":
        return {}
    named, values = _by_address(), {}
    if f"{GLOBAL}_{_SERVICE.upper()}" not in os.environ and named != endpoint():
        values[GLOBAL] = named
    if GLOBAL in os.environ and f"{GLOBAL}_STS" not in os.environ:
        values[f"{GLOBAL}_STS"] = values.get(GLOBAL, os.environ[GLOBAL])
    return values


def _by_address() -> str:
    named = endpoint()
    parts = urlsplit(named)
    host = parts.hostname or ""
    if not host or _is_address(host) or not is_local_cloud(named):
        return named
    try:
        addresses = socket.getaddrinfo(host, parts.port or 80, type=socket.SOCK_STREAM)
    except OSError:
        return named
    address = str(min(addresses, key=lambda entry: entry[0] != socket.AF_INET)[4][0])
    shown = f"[{address}]" if ":" in address else address
    return f"{parts.scheme}://{shown}:{parts.port or 80}{parts.path}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


@functools.cache
def _answers_as_local_cloud(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/_stepladder/health", timeout=_SECONDS) as answer:
            return json.load(answer).get("ready") is True
    except (OSError, ValueError, AttributeError):
        return False


def _profile() -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return the profile in force and its services; nothing, and fast, where no file names an endpoint."""
    if not any(_names_one(os.environ.get(variable) or default) for variable, default in _FILES.items()):
        return {}, {}
    from botocore.exceptions import BotoCoreError
    from botocore.session import Session

    session = Session()
    try:
        profile = session.get_scoped_config()
        if str(profile.get("ignore_configured_endpoint_urls", "")).lower() == "true":
            return {}, {}
        return profile, session.full_config.get("services", {}).get(profile.get("services", ""), {})
    except BotoCoreError:  # no such profile, or a broken file: whoever makes a client says so
        return {}, {}


def _names_one(path: str) -> bool:
    try:
        return "endpoint_url" in Path(path).expanduser().read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
