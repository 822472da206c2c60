"""What stepladder's Terraform costs in a month: docs/reference/costs.md, computed from the modules and dated prices.

Every kind of resource in the modules and the template has a row in `KINDS`; a test fails when a new one has none.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from markdown_tables import markdown_table

from stepladder.commands import prices
from stepladder.settings.load import Settings

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference" / "costs.md"
_PRICING = "https://aws.amazon.com/{}/"
PRICES = {
    "alarm metric, a month": (0.10, "cloudwatch/pricing"),
    "GB of logs taken in": (0.50, "cloudwatch/pricing"),
    "GB of logs kept, a month": (0.03, "cloudwatch/pricing"),
    "1,000 requests of GetMetricData, for each metric": (0.01, "cloudwatch/pricing"),
    "million requests of Lambda": (0.20, "lambda/pricing"),
    "million GB seconds of Lambda (arm64)": (13.3334, "lambda/pricing"),
    "million state transitions": (25.0, "step-functions/pricing"),
    "GB of images, a month": (prices.ECR_GB_MONTH, "ecr/pricing"),
    "GB in S3, a month": (prices.S3_GB_MONTH, "s3/pricing"),
    "million reads of DynamoDB": (prices.DYNAMODB_MILLION_READS, "dynamodb/pricing/on-demand"),
    "million writes of DynamoDB": (prices.DYNAMODB_MILLION_WRITES, "dynamodb/pricing/on-demand"),
    "million requests of an HTTP API": (1.00, "api-gateway/pricing"),
    "million requests of SQS": (0.40, "sqs/pricing"),
    "million messages of SNS": (0.50, "sns/pricing"),
    "million calls of schedules": (1.00, "eventbridge/pricing"),
    "million events of a custom bus": (1.00, "eventbridge/pricing"),
    "minute of an action of CodePipeline": (0.002, "codepipeline/pricing"),
    "minute of CodeBuild (general1.small)": (0.005, "codebuild/pricing"),
    "secret in Secrets Manager, a month": (0.40, "secrets-manager/pricing"),
}
"""US dollars in us-east-1 by what they are for, and the page of AWS where they stand. The first step of tiers."""

FREE = "nothing"
KINDS = {
    "aws_apigatewayv2_api": "requests",
    "aws_apigatewayv2_integration": FREE,
    "aws_apigatewayv2_route": FREE,
    "aws_apigatewayv2_stage": FREE,
    "aws_cloudformation_stack": "nothing: AWS's own kinds of resources",
    "aws_cloudwatch_event_rule": "events of a custom bus; AWS's own events cost nothing",
    "aws_cloudwatch_event_target": FREE,
    "aws_cloudwatch_log_group": "what is taken in, and what is kept",
    "aws_cloudwatch_metric_alarm": "each metric that it watches, by the month",
    "aws_codebuild_project": "minutes of builds",
    "aws_codeconnections_connection": FREE,
    "aws_codedeploy_app": "nothing for Lambda",
    "aws_codedeploy_deployment_config": FREE,
    "aws_codedeploy_deployment_group": "nothing for Lambda",
    "aws_codepipeline": "minutes of actions",
    "aws_dynamodb_table": "reads, writes, and what is kept",
    "aws_ecr_lifecycle_policy": FREE,
    "aws_ecr_repository": "what is kept",
    "aws_ecr_repository_policy": FREE,
    "aws_iam_openid_connect_provider": FREE,
    "aws_iam_policy": FREE,
    "aws_iam_role": FREE,
    "aws_iam_role_policy": FREE,
    "aws_iam_role_policy_attachment": FREE,
    "aws_lambda_alias": FREE,
    "aws_lambda_event_source_mapping": "nothing for a queue but its requests; reads of a stream are free for Lambda",
    "aws_lambda_function": "requests, and memory by time",
    "aws_lambda_function_event_invoke_config": FREE,
    "aws_lambda_function_url": "nothing beside the function's requests",
    "aws_lambda_permission": FREE,
    "aws_lambda_provisioned_concurrency_config": "memory by time, used or not; off by default",
    "aws_s3_bucket": "what is kept, and requests",
    "aws_s3_bucket_lifecycle_configuration": FREE,
    "aws_s3_bucket_notification": FREE,
    "aws_s3_bucket_ownership_controls": FREE,
    "aws_s3_bucket_policy": FREE,
    "aws_s3_bucket_public_access_block": FREE,
    "aws_s3_bucket_server_side_encryption_configuration": FREE,
    "aws_s3_bucket_versioning": "nothing beside what is kept",
    "aws_scheduler_schedule": "calls",
    "aws_sfn_alias": FREE,
    "aws_sfn_state_machine": "state transitions",
    "aws_sns_topic": "messages",
    "aws_sns_topic_subscription": "messages that are delivered",
    "aws_sqs_queue": "requests",
}
"""What AWS bills each kind of resource by."""

ALARM_METRICS = len(re.findall(r"\bmetric_name +=", (ROOT / "terraform/modules/service/alarms.tf").read_text("utf-8")))
"""Metrics that the alarms of a function watch: the error rate watches two."""
_MEASURED = re.search(r"^\| 1 \| (\d+) \|", (ROOT / "docs/reference/promotion.md").read_text("utf-8"), re.MULTILINE)
TRANSITIONS = int(_MEASURED[1]) if _MEASURED else 0
"""Of a promotion of one function over two rungs with the default canary, as that page has measured it."""


class Usage(NamedTuple):
    """A month of a project with one function and two environments."""

    name: str
    calls: int
    promotions: int
    images: int
    environments: int = 2
    pipeline: bool = False


USAGES = (
    Usage("idle: deployed, and left alone", 0, 0, 3),
    Usage("small: 100,000 calls, 10 promotions", 100_000, 10, 10),
    Usage("busy: 10 million calls, 100 promotions", 10_000_000, 100, 30),
)
SECONDS, GIGABYTES, LOG_BYTES = 0.1, 0.25, 500
"""Of a call: how long it takes, with which memory, and what it writes to the log. Assumptions."""
IMAGE_GB, SHARED_GB = 0.01, 0.15
"""What an image adds, and the layers that all images share."""


def kinds() -> Counter[str]:
    """Return the kinds of resources in the modules and the template, and in how many blocks each stands."""
    found: Counter[str] = Counter()
    for folder in ("terraform/modules", "template"):
        for file in (ROOT / folder).rglob("*.tf*"):
            found.update(re.findall(r'^resource "(\w+)"', file.read_text("utf-8"), re.MULTILINE))
    del found["terraform_data"]
    return found


def price(what: str) -> float:
    """Return a price."""
    return PRICES[what][0]


def month(usage: Usage) -> dict[str, float]:
    """Return dollars a month, by what they are for."""
    memory = Settings(ROOT).function.memory_mb / 1024
    seconds = usage.calls * SECONDS * memory
    logged = usage.calls * LOG_BYTES / 1e9
    return {
        f"alarms: {ALARM_METRICS} metrics in each environment": (
            usage.environments * ALARM_METRICS * price("alarm metric, a month")
        ),
        "images": (SHARED_GB + usage.images * IMAGE_GB) * price("GB of images, a month"),
        "buckets of states, plans and packages: 110 MB": 0.11 * price("GB in S3, a month"),
        "the ledger": prices.ledger(),
        "promotions: state transitions": usage.promotions * TRANSITIONS * price("million state transitions") / 1e6,
        "calls of the function": usage.calls * price("million requests of Lambda") / 1e6
        + seconds * price("million GB seconds of Lambda (arm64)") / 1e6,
        "logs": logged * (price("GB of logs taken in") + price("GB of logs kept, a month")),
    }


def page() -> str:
    """Return docs/reference/costs.md."""
    months = [month(usage) for usage in USAGES]
    rows = [(what, *(prices.amount(each[what]) for each in months)) for what in months[0]]
    rows += [("**together**", *(f"**{prices.amount(sum(each.values()))}**" for each in months))]
    used = [
        (what, f"${dollars:g}", f"[{source}]({_PRICING.format(source)})") for what, (dollars, source) in PRICES.items()
    ]
    found = kinds()
    kinds_rows = [(f"`{kind}`", KINDS.get(kind, "unknown")) for kind in sorted(found)]
    alarm = ALARM_METRICS * price("alarm metric, a month")
    promotion = TRANSITIONS * price("million state transitions") / 1e6
    preview = alarm + IMAGE_GB * price("GB of images, a month")
    minutes = 8 * (price("minute of an action of CodePipeline") + price("minute of CodeBuild (general1.small)"))
    secret = prices.amount(price("secret in Secrets Manager, a month"))
    part = prices.amount(preview / 15)
    additions = [
        ("another environment, or another function in one", f"{prices.amount(alarm)} a month: its alarms"),
        ("a preview that lives for a whole month", f"{prices.amount(preview)}, and its calls; for two days {part}"),
        ("a promotion of one function", f"{prices.amount(promotion)}: {TRANSITIONS} state transitions"),
        ("a promotion of a hundred functions", "[measured](promotion.md#what-a-promotion-costs)"),
        ("a run of the CodePipeline, eight minutes", prices.amount(minutes)),
        ("a secret in Secrets Manager", f"{secret} a month; in Parameter Store nothing"),
        ("provisioned concurrency", "[memory by time](../guides/network.md#provisioned-concurrency); off by default"),
        ("a VPC", "its NAT gateway or endpoints, which are not stepladder's"),
    ]
    return f"""# What it costs in a month

Written by `docs/generate.py` from the Terraform modules and the prices below; a test compares.

AWS bills what stepladder makes in your account. stepladder itself costs nothing. Prices are those of us-east-1 in US
dollars, noted on {prices.NOTED_ON}, without free tiers, taxes and data that leaves AWS. Other regions have others. They
were not compared with the live pages: the links say where to check. This is an estimate. Your bill says more.

## A project with two environments

{markdown_table(("what", *(usage.name for usage in USAGES)), rows)}
Assumed: a call takes {SECONDS:g} s, with the default memory, and writes {LOG_BYTES} bytes to the log. Images share
their lower layers: {SHARED_GB * 1000:.0f} MB once, and {IMAGE_GB * 1000:.0f} MB for each image.

## What adds to it

{markdown_table(("what", "adds"), additions)}
To spend less: keep fewer images (`image.keep`), keep logs for fewer days, and destroy environments that are
not needed any more, [with their data](../guides/destroy.md).

## Prices

{markdown_table(("for", "US dollars", "AWS's page"), used)}
## What each kind of resource is billed by

All kinds that the modules and the template of a project hold.

{markdown_table(("resource", "billed by"), kinds_rows)}"""
