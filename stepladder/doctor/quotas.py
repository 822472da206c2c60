"""What the account has left: Lambda's concurrency and code storage, and roles.

The quotas: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html,
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html. What else is limited (alarms: 5,000 in a
region) is counted by no call.
"""

from __future__ import annotations

from collections.abc import Iterator

from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import NOTE, WARNING, Finding

_NEAR = 0.8
_FREE = 0.1
_OF_NEW_ACCOUNTS = 10
_GIGABYTE = 1024**3
_CONSOLE = "ask AWS for more: `aws service-quotas list-service-quotas --service-code {service}` lists the codes"


def of_lambda(context: DoctorContext) -> Iterator[Finding]:
    """Yield that Lambda's code storage or the account's concurrency is nearly used up."""
    settings = context.client("lambda").get_account_settings()
    limit, usage, subject = settings["AccountLimit"], settings["AccountUsage"], context.location
    used, most = int(usage.get("TotalCodeSize", 0)), int(limit.get("TotalCodeSize", 0))
    if most and used / most >= _NEAR:
        text = f"{used / _GIGABYTE:.0f} of {most / _GIGABYTE:.0f} GB of Lambda's code storage are used"
        yield Finding(WARNING, subject, text, _CONSOLE.format(service="lambda"))
    total = int(limit.get("ConcurrentExecutions", 0))
    free = int(limit.get("UnreservedConcurrentExecutions", total))
    if total and free / total <= _FREE:
        text = (
            f"{free} of the account's concurrency of {total} are not reserved: functions without their own share these"
        )
        yield Finding(WARNING, subject, text, _CONSOLE.format(service="lambda"))
    if 0 < total <= _OF_NEW_ACCOUNTS:
        text = f"the account runs {total} calls at once, for all its functions together, as new ones do"
        yield Finding(NOTE, subject, text, _CONSOLE.format(service="lambda"))


def of_iam(context: DoctorContext) -> Iterator[Finding]:
    """Yield that the account's roles are nearly used up: each function has two, and each environment three of CI."""
    summary = context.client("iam").get_account_summary()["SummaryMap"]
    roles, most = int(summary.get("Roles", 0)), int(summary.get("RolesQuota", 0))
    if most and roles / most >= _NEAR:
        text = f"{roles} of the account's {most} roles are used"
        yield Finding(WARNING, context.names.account, text, _CONSOLE.format(service="iam"))
