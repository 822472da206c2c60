"""Functions, versions and aliases as Lambda keeps them.

A version is a frozen `Revision`: its configuration and its code. `$LATEST` is a revision that updates replace. Times of
status changes are real time (`time.monotonic`): waiters of the SDK poll in real time too.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from localcloud.protocol.codec import ServiceError
from stepladder.core.names import partition_of

LATEST = "$LATEST"
_ARN = re.compile(
    r"(?:arn:[\w-]+:lambda:)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d):)?(?:(?P<account>\d{12}):)?(?:function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]+)(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]+))?"
)


@dataclass(frozen=True)
class FunctionKey:
    """What names a function."""

    account: str
    region: str
    name: str

    @property
    def arn(self) -> str:
        """The unqualified ARN."""
        return f"arn:{partition_of(self.region)}:lambda:{self.region}:{self.account}:function:{self.name}"


@dataclass(frozen=True)
class Code:
    """What a revision runs. `sha256` is `CodeSha256`: base64 of a zip's hash, hex of an image's digest."""

    sha256: str
    size: int = 0
    image_uri: str = ""  # as it was given
    repository: str = ""
    digest: str = ""
    resolved_uri: str = ""
    zip_path: str = ""  # relative to the service's folder


@dataclass
class Revision:
    """One version, or `$LATEST`. `settings` is what a caller decides: the configuration without names and status.

    `uid` names this content: execution environments belong to a uid and retire with it. `due` is when Pending or
    InProgress ends (monotonic seconds; 0: it has ended).
    """

    version: str
    settings: dict[str, Any]
    code: Code
    modified: str
    revision_id: str = field(default_factory=lambda: str(uuid4()))
    uid: str = field(default_factory=lambda: uuid4().hex)
    state: str = "Pending"
    state_reason: tuple[str, str] = ("Creating", "The function is being created.")  # code, text
    update: str = ""  # LastUpdateStatus; a published version has one too
    update_reason: tuple[str, str] = ("", "")
    due: float = 0.0

    def content(self) -> str:
        """Hash what decides whether publishing makes a new version."""
        text = json.dumps([self.settings, self.code.sha256, self.code.digest], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def frozen(self, version: str, description: str | None) -> Revision:
        """Copy it as a published version."""
        settings = copy.deepcopy(self.settings)
        if description is not None:
            settings["Description"] = description
        return Revision(version, settings, self.code, now())


@dataclass
class FunctionAlias:
    """A name for one version, or for two with a weight for the second."""

    name: str
    version: str
    description: str = ""
    weights: dict[str, float] = field(default_factory=dict)
    revision_id: str = field(default_factory=lambda: str(uuid4()))


@dataclass
class Policy:
    """A resource policy: that of a function, of a version or of an alias."""

    statements: dict[str, dict[str, Any]] = field(default_factory=dict)  # by Sid
    revision_id: str = field(default_factory=lambda: str(uuid4()))


@dataclass
class Function:
    """All of one function. `serving` is what `$LATEST` runs: the code before an update until that has settled."""

    key: FunctionKey
    latest: Revision
    serving: Revision
    versions: dict[str, Revision] = field(default_factory=dict)
    contents: dict[str, str] = field(default_factory=dict)  # version -> hash of what it was published from
    aliases: dict[str, FunctionAlias] = field(default_factory=dict)
    last_version: int = 0
    tags: dict[str, str] = field(default_factory=dict)
    policies: dict[str, Policy] = field(default_factory=dict)  # qualifier or "" -> resource policy
    reserved: int | None = None
    urls: dict[str, dict[str, Any]] = field(default_factory=dict)  # qualifier or "" -> FunctionUrlConfig
    event_invoke: dict[str, dict[str, Any]] = field(default_factory=dict)  # qualifier or $LATEST -> config
    provisioned: dict[str, dict[str, Any]] = field(default_factory=dict)
    recursive_loop: str = "Terminate"
    update_runtime_on: str = "Auto"
    next_failure: tuple[str, str] | None = None  # (reason code, reason) that the next update ends with

    def revision(self, version: str) -> Revision:
        """Return a version. Raises ResourceNotFoundException."""
        if version == LATEST:
            return self.latest
        try:
            return self.versions[version]
        except KeyError:
            raise not_found(f"Function not found: {self.key.arn}:{version}") from None

    def kept_ready(self, version: str) -> int:
        """Return how many environments of a version are provisioned, by itself or by an alias."""
        names = [version, *(name for name, alias in self.aliases.items() if alias.version == version)]
        return sum(
            int(self.provisioned[name]["RequestedProvisionedConcurrentExecutions"])
            for name in names
            if name in self.provisioned
        )

    def resolve(self, qualifier: str) -> Revision:
        """Return what a qualifier names: nothing, `$LATEST`, a number or an alias (its first version)."""
        if qualifier in ("", LATEST):
            return self.latest
        if qualifier in self.aliases:
            return self.revision(self.aliases[qualifier].version)
        return self.revision(qualifier)

    def alias(self, name: str) -> FunctionAlias:
        """Return an alias. Raises ResourceNotFoundException."""
        try:
            return self.aliases[name]
        except KeyError:
            raise not_found(f"Cannot find alias arn: {self.key.arn}:{name}") from None


def parse_name(text: str, account: str, region: str, qualifier: str = "") -> tuple[FunctionKey, str]:
    """Read a name, a partial ARN or an ARN, with or without qualifier. Return the key and the qualifier."""
    match = _ARN.fullmatch(text)
    if not match:
        raise ServiceError(
            "ValidationException", f"1 validation error detected: Value '{text}' at 'functionName' failed"
        )
    inner = match["qualifier"] or ""
    if inner and qualifier and inner != qualifier:
        raise invalid("The derived qualifier from the function name does not match the specified qualifier.")
    return FunctionKey(match["account"] or account, match["region"] or region, match["name"]), inner or qualifier


def check_reach(key: FunctionKey, region: str) -> None:
    """Refuse what is in another region."""
    if key.region != region:
        raise not_found(f"Functions from '{key.region}' are not reachable in this region ('{region}')")


def now() -> str:
    """Return the time as Lambda writes LastModified."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"


def monotonic() -> float:
    """Return the clock that settling follows."""
    return time.monotonic()


def invalid(message: str) -> ServiceError:
    """InvalidParameterValueException."""
    return ServiceError("InvalidParameterValueException", message, 400, Type="User")


def not_found(message: str) -> ServiceError:
    """ResourceNotFoundException."""
    return ServiceError("ResourceNotFoundException", message, 404, Type="User")


def conflict(message: str) -> ServiceError:
    """ResourceConflictException."""
    return ServiceError("ResourceConflictException", message, 409, Type="User")


def stale(reads: str = "GetFunction/GetAlias") -> ServiceError:
    """PreconditionFailedException: the RevisionId given isn't the latest."""
    return ServiceError(
        "PreconditionFailedException",
        f"The Revision Id provided does not match the latest Revision Id. Call the {reads} API to retrieve the latest "
        "Revision Id",
        412,
        Type="User",
    )
