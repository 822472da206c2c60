"""What the stores have in common: their metadata of a secret, and how a value is sent to one.

Only metadata is read. A value goes one way. While it is under way the SDK's debug log, which holds whole requests, is
off, and an error of AWS's that repeats the value is printed without its words.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from stepladder.core.aws import error_code
from stepladder.core.errors import RefusedError, StepladderError
from stepladder.secrets.value import SecretValue
from stepladder.settings.secrets import Secret

SET, MISSING, DELETED = "set", "not set", "deleted"
REMOTE, TERRAFORM = "elsewhere", "of Terraform"


@dataclass(frozen=True)
class SecretState:
    """A store's metadata of a secret.

    `version` is the store's own: a number, or an id. `changed` is a time as the ledger writes it. `owner` is the
    project that its tags name, as far as they were read with it. `key` is the KMS key of its value. `tier` and
    `is_plain` are Parameter Store's: `Standard` or `Advanced`, and a value that isn't encrypted. `exists` is true of
    one without a value too.
    """

    secret: Secret
    state: str = MISSING
    version: str = ""
    changed: str = ""
    owner: str = ""
    key: str = ""
    tier: str = ""
    is_plain: bool = False
    exists: bool = False

    def is_beyond(self, key: str) -> bool:
        """Say whether it is encrypted with another key than AWS's own and the one that the settings name."""
        own = not self.key or self.key.startswith("alias/aws/") or self.key.rpartition("/")[2] == key.rpartition("/")[2]
        return not own

    @property
    def has_value(self) -> bool:
        """Whether a function finds a value there; assumed of what can't be known."""
        return self.state not in {MISSING, DELETED}


@dataclass(frozen=True)
class SecretWrite:
    """A value to be written, and what was read before. `key` is empty for AWS's own."""

    state: SecretState
    value: SecretValue
    key: str
    tags: Mapping[str, str]

    @property
    def secret(self) -> Secret:
        """The secret."""
        return self.state.secret


class SecretStore(Protocol):
    """One of AWS's stores, in one region."""

    @property
    def largest(self) -> int:
        """Bytes of the largest value."""
        ...

    def read(self, secrets: Sequence[Secret]) -> list[SecretState]:
        """Return the metadata of these secrets, in their order. No value is read."""
        ...

    def owner(self, state: SecretState) -> str:
        """Return the project that a secret's tags name; empty for none."""
        ...

    def check(self, write: SecretWrite) -> None:
        """Refuse a value that the store doesn't take, before any call."""
        ...

    def write(self, write: SecretWrite) -> str:
        """Store a value in one call, and return its version. What was there before is kept as a version."""
        ...

    def tags(self, state: SecretState) -> Mapping[str, str]:
        """Return the tags of a secret; none of one that isn't there, or whose tags may not be read."""
        ...

    def delete(self, secret: Secret) -> bool:
        """Delete a secret with every version, at once and for good; say whether it was there."""
        ...


@contextlib.contextmanager
def hidden(value: SecretValue, what: str) -> Iterator[None]:
    """Keep a value out of logs and errors for a block that sends it; `what` names the secret."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.DEBUG))
    try:
        yield
    except Exception as error:
        if not value.occurs_in(str(error)):
            raise
        raise StepladderError(
            f"AWS refused the value of {what}: {error_code(error) or type(error).__name__}",
            kind="aws-refused",
            hint="AWS's message repeats the value, and isn't shown; correct the value, then run the same command",
        ) from None
    finally:
        logging.disable(before)


def check_owner(secret: Secret, owner: str, project: str) -> None:
    """Refuse a secret that belongs to another project. One without an owner is anybody's."""
    if owner not in {"", project}:
        raise refused(
            f"{secret.reference} belongs to the project {owner}, by its tag",
            f"name another one under `stepladder.function.secrets`, or set it in {owner}",
        )


def refused(message: str, hint: str) -> RefusedError:
    """Return the error for a secret that isn't written, because of what it is."""
    return RefusedError(message, kind="secret-refused", hint=hint)
