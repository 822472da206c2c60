"""What a launcher must know of an image's base. The image builders have the same facts, and a test compares them."""

from __future__ import annotations

import os
import platform

LABEL_BASE = "dev.stepladder.base"
"""The label that names an image's base."""
HOST_PYTHON = "host-python:"
"""How that label begins when the base is this machine's own Python and no image."""
PLATFORM = {"arm64": "arm64", "x86_64": "amd64"}
"""Lambda's name of an architecture, and OCI's."""


def machine() -> str:
    """Return this machine's architecture as OCI names it."""
    return PLATFORM["arm64" if (platform.machine() or os.uname().machine).lower() in {"arm64", "aarch64"} else "x86_64"]
