"""One call to AWS, and what the map reads of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Read = Callable[..., dict[str, Any]]
"""Calls an action of the cloud from inside, as `Cloud.call` does. Used for what a call names by an id of its own."""


class UnknownAccessError(Exception):
    """The map can't say what a call needs: what it names is not in the call, and can't be read."""


@dataclass(frozen=True)
class AwsCall:
    """A call, with botocore's names of its service, action and parameters. `account` is the caller's."""

    service: str
    action: str
    params: Mapping[str, Any]
    region: str
    account: str
    read_with: Read | None = field(default=None, compare=False)

    @property
    def partition(self) -> str:
        """The partition of the call's region."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """Return the ARN of a resource, in the call's region and account unless others are named."""
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def text(self, *names: str) -> str:
        """Return the first parameter of these that has a value, or an empty text. A name may be a path with dots."""
        return next((values[0] for name in names if (values := self.texts(name))), "")

    def texts(self, name: str) -> tuple[str, ...]:
        """Return the values of a parameter as texts: all of a list, one of anything else, none of a missing one."""
        return tuple(_texts(self._value(name)))

    def _value(self, name: str) -> Any:
        value: Any = self.params
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
        return value

    def read(self, service: str, action: str, of: str = "", **params: Any) -> Mapping[str, Any]:
        """Read from the cloud, in the account and region of the ARN `of`, or in the call's own.

        Raises `UnknownAccessError` when it doesn't answer.
        """
        if self.read_with is None:
            raise UnknownAccessError(f"{service}:{action}")
        _, _, _, region, account, *_ = [*of.split(":"), "", "", "", "", ""]
        try:
            return self.read_with(
                service, action, params, region=region or self.region, account=account or self.account
            )
        except Exception as error:  # an error of AWS, as that there is no such thing: the call itself answers it
            raise UnknownAccessError(f"{service}:{action}") from error


def _texts(value: Any) -> Iterable[str]:
    if value is None or value == "":
        return
    if isinstance(value, list | tuple | set):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, bool):
        yield str(value).lower()
    elif isinstance(value, int | float | str):
        yield str(value)
