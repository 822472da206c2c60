"""What stepladder and the pipeline's functions know of a release: what a version freezes and answers, descriptions.

The functions' packages carry this module, so it imports the standard library only.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

LATEST = "$LATEST"
"""The version that isn't published. Terraform makes an alias of it: nothing was released there yet."""
NOT_FOUND = "ResourceNotFoundException"
"""What Lambda calls a function, version or alias that isn't there."""
ACTIVE = ("Created", "Queued", "InProgress", "Baking", "Ready")
"""The states of a CodeDeploy deployment that may still move traffic; Baking waits for alarms after the last shift."""
RUNNING = ("RUNNING", "PENDING_REDRIVE")
"""The statuses of a promotion's execution that has not ended."""
DESCRIPTION = r"rel=(?P<release>\S+) git=(?P<git>\S+) img=(?P<image>[0-9a-f]{12})"
_SEPARATOR = bytes(8)  # between the status and the body of a streamed answer
_FROZEN = (
    "Architectures",
    "DeadLetterConfig",
    "Environment",
    "EphemeralStorage",
    "FileSystemConfigs",
    "ImageConfigResponse",
    "KMSKeyArn",
    "LoggingConfig",
    "MemorySize",
    "Role",
    "SnapStart",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
)


def frozen(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a version freezes of a FunctionConfiguration, besides its image: a change of it is published."""
    return {name: configuration[name] for name in _FROZEN if configuration.get(name)}


def config_hash(frozen_configuration: Mapping[str, Any]) -> str:
    """Hash what `frozen` returns: hex digits, as the ledger has them."""
    text = json.dumps(frozen_configuration, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def short(digest: str) -> str:
    """Return the first 12 hexadecimal digits of a digest."""
    return digest.removeprefix("sha256:")[:12]


def description(release_id: str, git_commit: str, digest: str) -> str:
    """Write a version's Description, from which the ledger can be rebuilt (at most 256 characters)."""
    return f"{mark(release_id)} git={git_commit} img={short(digest)}"


def mark(release_id: str) -> str:
    """Return the first word of what a release describes: its versions and its CodeDeploy deployments."""
    return f"rel={release_id}"


def release_of(described: str) -> str:
    """Return the id of the release that a description names first; empty for one that is nobody's release."""
    word = described.split(" ", maxsplit=1)[0]
    return word.removeprefix(mark("")) if word.startswith(mark("")) else ""


def belongs_to(described: str, release_id: str) -> bool:
    """Say whether a description is a release's."""
    return described.split(" ", maxsplit=1)[0] == mark(release_id)


def read_answer(payload: bytes) -> Any:
    """Return what a function answered as data: JSON, else text.

    A streamed answer begins with its status and headers as JSON, then come eight NUL bytes and its body.
    """
    head, streamed, body = payload.partition(_SEPARATOR)
    try:
        result = json.loads(head) if head else None
    except ValueError:
        return payload.decode(errors="replace")
    if streamed and isinstance(result, dict):
        return {**result, "body": body.decode(errors="replace")}
    return payload.decode(errors="replace") if streamed else result
