"""How strictly a local cloud takes IAM, and what it refused lately, as `inv local.*` takes and shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from localcloud.access.gate import MODES
from localcloud.daemon import CloudInfo
from stepladder.core.errors import BadInputError

_MEANS = {
    "enforce": "what no policy allows is refused",
    "warn": "what no policy allows passes, and is listed",
    "off": "no signature and no policy counts",
}


def parse(text: str) -> str:
    """Return the mode that a person typed, or nothing for nothing typed. Raises `BadInputError` for a wrong one."""
    if text and text not in MODES:
        raise BadInputError(
            f"{text!r} is no mode of IAM: {', '.join(MODES)} are",
            kind="bad-arguments",
            hint="let calls pass and list what they lack: `inv local.iam warn`",
        )
    return text


def show(info: CloudInfo) -> str:
    """Print a cloud's mode and what it means."""
    return _describe(str(info.request("iam")["mode"]))


def change(info: CloudInfo, mode: str) -> str:
    """Change a cloud's mode, and print it."""
    return _describe(str(info.request("iam", "POST", {"mode": mode})["mode"]))


def denials(info: CloudInfo) -> Sequence[dict[str, Any]]:
    """Return what was refused or warned of, the latest first."""
    rows: list[dict[str, Any]] = info.request("iam")["denials"]
    return rows


def lines(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Print each of them: what it was, why, and a statement that would allow it."""
    printed: list[str] = []
    for row in rows:
        printed.append(f"{row['kind']}: {row['why']}")
        if row.get("statement"):
            printed.append(f"  a statement for the {row['policy']}: {json.dumps(row['statement'])}")
    return printed


def _describe(mode: str) -> str:
    return f"{mode} ({_MEANS[mode]})"
