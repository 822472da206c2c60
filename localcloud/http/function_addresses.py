"""The addresses of function URLs and HTTP APIs: a host name or a path of the cloud's own port."""

from __future__ import annotations

import re

FUNCTION_HOST = re.compile(r"([a-z0-9]{32})\.lambda-url\.(?:localhost|[a-z0-9-]+\.on\.aws)\.?(?::\d+)?")
"""A function's own host name, here and on AWS. Whatever its path, such a request is the function's."""
FUNCTION_PATH = "/_url/"
"""How a path begins that leads to a function."""
API_HOST = re.compile(r"([a-z0-9]{8,10})\.execute-api\.(?:localhost|[a-z0-9-]+\.amazonaws\.com)\.?(?::\d+)?")
"""An HTTP API's own host name, here and on AWS."""
API_PATH = "/_api/"
"""How a path begins that leads to an HTTP API."""
