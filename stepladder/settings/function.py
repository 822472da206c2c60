"""The settings under `function:`, each in one place: what Terraform configures on and around the function.

A setting is a field here (`table.py`). From it come the reading and checking of `invoke.yaml`, the service module's
variable with its type, default, validations and description, the root that passes it on, and the reference page
(`docs/generate.py`). What remains to be written for a new one is its use in the module's own resources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stepladder.core.records import dataclass
from stepladder.settings import secrets as secret_settings
from stepladder.settings.network import VPC_TOGETHER, Asynchronous, Vpc
from stepladder.settings.permissions import ManagedPolicies, Permissions
from stepladder.settings.rules import Choice, Offered, Percent, Section, Text, Texts, Unless, Variables, Whole
from stepladder.settings.table import SERVICE, Check, setting, variables

LOG_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html
RETENTION = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
RESERVED_SOURCE = (
    "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime"
)
RESERVED = frozenset(
    {
        *("AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_REGION"),
        *("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION"),
        *("AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME"),
        *("AWS_LAMBDA_RUNTIME_API", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        *("LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT"),
    }
)


HANDLER = r"([A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*\.[A-Za-z0-9_]+)?"
LONGEST = 4096
"""Bytes of all environment variables together, as JSON."""


@dataclass(frozen=True)
class Alarms:
    """When a release is bad. A period is a minute."""

    error_rate_percent: float = setting(5.0, Percent(), "share of failed calls that makes a release bad")
    latency_p99_ms: int = setting(
        0,
        Whole(0, 900_000),
        "p99 duration that makes a release bad; 0: four fifths of the timeout",
        checks=(
            Check(
                "var.alarms.latency_p99_ms == 0 || (var.alarms.latency_p99_ms >= 1 && "
                "var.alarms.latency_p99_ms <= 900000)",
                "alarms.latency_p99_ms must be from 1 to 900000, or 0 for four fifths of the timeout.",
            ),
        ),
    )
    minimum_invocations: int = setting(
        10,
        Whole(1, 1_000_000),
        "calls in a minute from which the error rate is judged",
        checks=(
            Check(
                "var.alarms.minimum_invocations >= 1 && "
                "floor(var.alarms.minimum_invocations) == var.alarms.minimum_invocations",
                "alarms.minimum_invocations must be a whole number from 1 on.",
            ),
        ),
    )
    periods: int = setting(
        1,
        Whole(1, 60),
        "for how many minutes on end",
        checks=(
            Check("contains(range(1, 61), var.alarms.periods)", "alarms.periods must be a whole number from 1 to 60."),
        ),
    )
    throttles: int = setting(
        0,
        Whole(0, 1_000_000),
        "throttled calls in a minute that may be",
        checks=(Check("var.alarms.throttles >= 0", "alarms.throttles must not be negative."),),
    )
    topic_arns: tuple[str, ...] = setting(
        (),
        Texts(r"arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[^:]+", "ARNs of SNS topics", each="arn"),
        "SNS topics that get every change of an alarm",
    )


@dataclass(frozen=True)
class Queue:
    """The settings of the one queue of `trigger: sqs`, from before there was the list `triggers`."""

    batch_size: int = setting(10, Whole(1, 10000), "`trigger: sqs`: messages that one invocation gets at most")
    max_receive_count: int = setting(
        5, Whole(1, 1000), "`trigger: sqs`: how often a message is tried before it goes to the dead-letter queue"
    )
    maximum_concurrency: int = setting(
        0, Whole(2, 1000, zero=True), "`trigger: sqs`: how many batches run at once; 0 sets no limit"
    )
    window_seconds: int = setting(
        0, Whole(0, 300), "`trigger: sqs`: for how long a batch is collected; 0 invokes with what is there"
    )


@dataclass(frozen=True)
class FunctionSettings:
    """What Terraform configures. An environment says only what differs there."""

    memory_mb: int = setting(
        256,
        Whole(128, 10240),
        "memory, and with it the share of processor",
        description="The function's memory, in MB; its processor share follows.",
    )
    timeout_seconds: int = setting(
        15,
        Whole(1, 900),
        "how long one invocation may take",
        description="How long one invocation may take, in seconds.",
    )
    environment: Mapping[str, str] = setting(
        factory=dict,
        rule=Variables(RESERVED, longest=LONGEST, source=RESERVED_SOURCE),
        purpose="the function's environment variables; no secrets",
        variable="environment_variables",
        description="The function's environment variables. They are configuration, not secrets: every reader of the "
        "function sees them.",
    )
    handler: str = setting(
        "",
        Text(HANDLER, "a module and a function of the image, such as app.handler.handler", 128, literal=True),
        "what the image runs, in place of its own command; so several functions may have one image",
        description="What the image runs, in place of its own command, such as `app.handler.handler`; empty for the "
        "image's own.",
    )
    permissions: tuple[Mapping[str, Any], ...] = setting(
        (),
        Permissions(),
        "what the function may do: statements of IAM, and files under `policies/`",
        description="What the function may do besides writing its log and reading its triggers: statements of an IAM "
        "policy.",
    )
    managed_policies: tuple[str, ...] = setting(
        (),
        ManagedPolicies(),
        "ARNs of managed policies that the function has too",
        description="ARNs of managed policies that the function's role has too, by names that are known before the "
        "apply.",
    )
    secrets: Mapping[str, str] = setting(
        factory=dict,
        rule=secret_settings.SecretReferences(RESERVED, longest=LONGEST),
        purpose="where secrets are: `ssm`, `ssm:/path`, `secretsmanager` or `secretsmanager:name`, with `{project}` "
        "and `{env}` in it; the function gets the reference and may read exactly that",
        description="References to the function's secrets by the name of the environment variable that holds each: "
        "`ssm:<path>` or `secretsmanager:<name>`, or the same with an ARN. The function may read exactly those.",
    )
    secrets_key: str = setting(
        "",
        secret_settings.Key(),
        "ARN of the KMS key that values are encrypted with, and that the function may use; AWS's own without one",
        description="The ARN of the KMS key that the secrets are encrypted with; empty for the one that AWS has for "
        "each store.",
    )
    not_secret: Mapping[str, str] = setting(
        factory=dict,
        rule=secret_settings.Reasons(),
        purpose="variables of `environment` that look like secrets and may be read by anybody, each with the reason",
    )
    log_level: str = setting(
        "INFO",
        Choice(LOG_LEVELS),
        "lowest level of the function's own log lines that is kept",
        description="The lowest level that the function's own log lines need to be kept: "
        "TRACE, DEBUG, INFO, WARN, ERROR or FATAL.",
    )
    log_retention_days: int = setting(
        30,
        Offered(RETENTION, "a number of days that CloudWatch Logs offers, such as 7, 30, 90 or 365"),
        "how many days CloudWatch keeps the function's log",
        description="How many days CloudWatch keeps the function's log.",
    )
    reserved_concurrency: int = setting(
        -1,
        Whole(-1, 100_000),
        "how many invocations may run at once; -1 sets no limit of its own",
        description="How many invocations may run at once, taken from the account's share; "
        "-1 sets no limit of its own.",
        checks=(
            Check(
                "var.reserved_concurrency >= -1 && floor(var.reserved_concurrency) == var.reserved_concurrency",
                "reserved_concurrency must be a whole number from 0 on, or -1.",
            ),
        ),
    )
    provisioned_concurrency: int = setting(
        0,
        Whole(0, 100_000),
        "how many execution environments of the live version are kept ready; 0 keeps none",
        description="How many execution environments of the alias's version Lambda keeps ready; 0 keeps none. "
        "They begin with the first apply after the first release.",
        checks=(
            Check(
                "var.provisioned_concurrency >= 0 && floor(var.provisioned_concurrency) == var.provisioned_concurrency",
                "provisioned_concurrency must be a whole number from 0 on.",
            ),
            Check(
                "var.reserved_concurrency == -1 || var.provisioned_concurrency <= var.reserved_concurrency",
                "provisioned_concurrency must be at most reserved_concurrency.",
            ),
            Check(
                'var.provisioned_concurrency == 0 || var.deployment.strategy == "all-at-once"',
                "provisioned_concurrency must be 0 unless deployment.strategy is all-at-once.",
                "An alias with provisioned concurrency takes no weights.",
            ),
        ),
    )
    ephemeral_storage_mb: int = setting(
        512,
        Whole(512, 10240),
        "size of `/tmp`",
        description="The size of the function's `/tmp`, in MB.",
    )
    tracing: str = setting(
        "PassThrough",
        Choice(("Active", "PassThrough")),
        "X-Ray: `PassThrough` follows the caller's decision, `Active` samples by itself",
        description="X-Ray: `PassThrough` follows the caller's decision, `Active` samples by itself.",
    )
    vpc: Vpc = setting(
        factory=Vpc,
        rule=Section(Vpc, unless=(VPC_TOGETHER,)),
        description="The VPC that the function reaches: `subnets` and `security_groups` by id, both or neither. `ipv6` "
        "adds IPv6 in subnets that have both. A function in a VPC reaches the internet through a NAT gateway only.",
    )
    asynchronous: Asynchronous = setting(
        factory=Asynchronous,
        rule=Section(Asynchronous),
        key="async",
        variable="async",
        description="What Lambda does with asynchronous calls of the alias: how often it tries a failed one again, "
        "how long it keeps an event, and to which ARNs the records of those go that succeeded or failed.",
    )
    alarms: Alarms = setting(
        factory=Alarms,
        rule=Section(
            Alarms,
            more=(
                Check(
                    'var.deployment.strategy == "all-at-once" || '
                    "var.alarms.error_rate_percent < var.deployment.percentage",
                    "alarms.error_rate_percent must be less than deployment.percentage: "
                    "a canary whose every call fails could not raise the alarm otherwise.",
                    "The alarms see the alias, where the old version's good answers thin out the new one's errors.",
                ),
            ),
        ),
        description="When a release is bad, as CodeDeploy sees it: error rate (percent, judged from "
        "minimum_invocations a period on), p99 duration (0: four fifths of the timeout), throttled invocations a "
        "period; each over `periods` periods of a minute. `topic_arns` get every change.",
    )

    queue: Queue = setting(
        factory=Queue,
        rule=Section(Queue, unless=(Unless("batch_size", 10, "window_seconds"),)),
        description="The queue of `trigger` sqs: messages in a batch, how often a message is tried before it goes to "
        "the dead-letter queue, how many batches run at once (0: no limit), and for how many seconds a batch is "
        "collected.",
    )

    @property
    def variables(self) -> dict[str, Any]:
        """The same as variables of the `service` module."""
        return variables(self, SERVICE)
