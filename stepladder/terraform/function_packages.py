"""The deployment packages of the pipeline's functions: same source, same bytes, on every machine.

Files lie in a zip in the order of their names, with one date and one mode, and uncompressed: deflate's output differs
between zlib versions, and these are a few dozen kilobytes. A package's key in the artifacts bucket names its content.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from stepladder.core import resources
from stepladder.core.aws import ABSENT_IN_S3, error_code

VERBS = ("validate", "verify", "rollback", "relay")
CHECK = "check"
"""The function that runs a project's own checks; it is made where `promotion.checks` says so."""
SHARED = (
    "stepladder.core.aws_models",
    "stepladder.core.names",
    "stepladder.core.records",
    "stepladder.core.release_facts",
    "stepladder.ledger.environment_items",
    "stepladder.ledger.schema",
    "stepladder.promotion.contract",
    "stepladder.promotion.requests.relay",
    "stepladder.promotion.requests.rollback",
    "stepladder.promotion.requests.validate",
    "stepladder.promotion.requests.verify",
)
SHARED_WITH = {
    "validate": ("stepladder.core.freeze_facts", "stepladder.core.image_facts"),
    "check": ("stepladder.core.python_tree", "stepladder.promotion.requests.check", "stepladder.releases.smoke_check"),
    "verify": (
        "stepladder.core.python_tree",
        "stepladder.promotion.judge",
        "stepladder.promotion.shift_steps",
        "stepladder.promotion.requests.check",
        "stepladder.releases.command_run",
        "stepladder.releases.smoke_case",
        "stepladder.releases.smoke_check",
        "stepladder.releases.smoke_compare",
        "stepladder.releases.smoke_outputs",
        "stepladder.releases.smoke_path",
        "stepladder.releases.smoke_pattern",
        "stepladder.releases.smoke_references",
    ),
}
"""Modules of stepladder that the packages carry: standard library only, and nothing else of stepladder."""

_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that zip knows
_MODE = 0o100644 << 16


@dataclass(frozen=True)
class Package:
    """One function's zip. `sha256` is base64, as Lambda and Terraform's `source_code_hash` write it."""

    verb: str
    data: bytes

    @property
    def sha256(self) -> str:
        """The hash that Lambda shows as CodeSha256."""
        return base64.b64encode(hashlib.sha256(self.data).digest()).decode()

    @property
    def key(self) -> str:
        """The object's key, by content."""
        return f"pipeline/{self.verb}-{hashlib.sha256(self.data).hexdigest()[:32]}.zip"


def build(verb: str) -> Package:
    """Make the package of one function: its own modules, `shared/`, and what it shares with stepladder itself."""
    source = resources.folder("function")
    files = {path.name: path.read_bytes() for path in (source / verb).glob("*.py")}
    files |= {f"shared/{path.name}": path.read_bytes() for path in (source / "shared").glob("*.py")}
    for module in (*SHARED, *SHARED_WITH.get(verb, ())):
        files |= _carried(module)
    return Package(verb, _zip(files))


def _carried(module: str) -> dict[str, bytes]:
    """Return a module of stepladder under its own name, in packages that hold nothing else."""
    package = Path(__file__).resolve().parent.parent
    path = PurePosixPath(*module.split(".")).with_suffix(".py")
    folders = {f"{folder}/__init__.py": b"" for folder in path.parents if folder.name}
    return folders | {str(path): (package.parent / path).read_bytes()}


def build_all(*, checks: bool = True) -> list[Package]:
    """Make all of them; `checks` says whether that of the function which runs a project's own checks is one."""
    return [build(verb) for verb in (*VERBS, *([CHECK] if checks else []))]


def _zip(files: Mapping[str, bytes]) -> bytes:
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name, _DATE)
            info.create_system = 3  # Unix, on Windows too
            info.external_attr = _MODE
            archive.writestr(info, data.replace(b"\r\n", b"\n"))
    return into.getvalue()


def upload(s3: Any, bucket: str) -> None:
    """Put all of them into the artifacts bucket, those that are not there yet."""
    for package in build_all():
        put(s3, bucket, package.key, package.data)


def put(s3: Any, bucket: str, key: str, data: bytes) -> bool:
    """Put an object under a content key unless it is there; say whether it was new."""
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except Exception as error:
        if error_code(error) not in ABSENT_IN_S3:
            raise
        s3.put_object(Bucket=bucket, Key=key, Body=data)
        return True
    return False
