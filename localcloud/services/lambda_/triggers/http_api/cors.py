"""Cross-origin requests to an HTTP API that has a CORS configuration: API Gateway answers, whatever a function says.

https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

from localcloud.cloud import Environ


def is_preflight(environ: Environ) -> bool:
    """Say whether a browser asks what it may send."""
    return environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ


def headers(config: Mapping[str, Any], environ: Environ) -> list[tuple[str, str]]:
    """Return the headers for the request's origin. None for an origin that isn't allowed."""
    origin = str(environ.get("HTTP_ORIGIN", ""))
    allowed = [str(each) for each in config.get("allowOrigins") or ()]
    if not origin or not any(fnmatchcase(origin, each) for each in allowed):
        return []
    secrets = bool(config.get("allowCredentials"))
    answer = [("Access-Control-Allow-Origin", "*" if "*" in allowed and not secrets else origin)]
    if secrets:
        answer.append(("Access-Control-Allow-Credentials", "true"))
    if config.get("exposeHeaders"):
        answer.append(("Access-Control-Expose-Headers", ",".join(config["exposeHeaders"])))
    if is_preflight(environ):
        answer.append(("Access-Control-Allow-Methods", ",".join(config.get("allowMethods") or ())))
        answer.append(("Access-Control-Allow-Headers", ",".join(config.get("allowHeaders") or ())))
        answer.append(("Access-Control-Max-Age", str(config.get("maxAge") or 0)))
    return answer
