"""Who calls AWS: whether the credentials work, are of the environment's account, and keep the time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from stepladder.core import accounts, aws
from stepladder.core.errors import StepladderError
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, WARNING, Finding

_SKEW = 60.0
"""Seconds. AWS refuses a request that is signed more than five minutes off."""


@dataclass(frozen=True)
class CallerIdentity:
    """Who AWS says that we are, and how many seconds its clock is ahead of this machine's."""

    account: str
    arn: str
    ahead: float


def read(context: DoctorContext) -> CallerIdentity:
    """Ask AWS who calls, once for each account and region."""
    return context.once("caller", lambda: _read(context))


def _read(context: DoctorContext) -> CallerIdentity:
    answer = context.client("sts").get_caller_identity()
    headers = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return CallerIdentity(str(answer["Account"]), str(answer.get("Arn", "")), _ahead(headers, context.clock.now()))


def _ahead(headers: Mapping[str, str], now: float) -> float:
    try:
        return parsedate_to_datetime(headers["date"]).timestamp() - now
    except (KeyError, TypeError, ValueError):
        return 0.0


def require(context: DoctorContext) -> None:
    """Raise what stands in the way of every check of AWS there: no credentials, or another account's."""
    accounts.check(read(context).account, context.names)


def check(context: DoctorContext) -> Iterator[Finding]:
    """Yield what is wrong with who calls. Credentials that don't work at all are why nothing there is checked."""
    caller = read(context)
    try:
        require(context)
    except StepladderError as error:
        yield Finding(ERROR, context.environment, error.message, error.hint)
    if not aws.is_real():
        return  # a local cloud's clock may run as fast as it likes, and its keys are anybody's
    if abs(caller.ahead) > _SKEW:
        way = "behind" if caller.ahead > 0 else "ahead of"
        text = (
            f"this machine's clock is {abs(caller.ahead):.0f} s {way} AWS's, which refuses requests that are 300 s off"
        )
        yield Finding(WARNING, "clock", text, "set it: `timedatectl set-ntp true`")
    if caller.arn.endswith(":root"):
        text = "these are credentials of the account's root user, whom no policy limits"
        yield Finding(WARNING, context.location, text, "log in as a role: `aws configure sso`")
