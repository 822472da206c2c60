"""The environment variables that would lead SDKs and Terraform past the local cloud, and that are unset for it."""

from __future__ import annotations

from collections.abc import Mapping

_PREFIX = "AWS_ENDPOINT_URL_"
SERVICES = (  # what stepladder, its functions and its Terraform code call, in the words of the variables
    *("CLOUDFORMATION", "CLOUDWATCH", "CLOUDWATCH_LOGS", "CODEBUILD", "CODECONNECTIONS", "CODEDEPLOY", "CODEPIPELINE"),
    *("CODESTAR_CONNECTIONS", "DYNAMODB", "ECR", "EVENTBRIDGE", "IAM"),
    *("INSPECTOR2", "KMS", "LAMBDA", "RESOURCE_GROUPS_TAGGING_API", "S3", "SCHEDULER", "SECRETS_MANAGER", "SFN"),
    *("SNS", "SQS", "SSM", "STS"),
)
UNSET = (
    *("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_CA_BUNDLE"),
    *("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"),
    *("AWS_S3_ENDPOINT", "AWS_DYNAMODB_ENDPOINT", "AWS_IAM_ENDPOINT", "AWS_STS_ENDPOINT"),  # Terraform's older names
    *(f"{_PREFIX}{service}" for service in SERVICES),
)


def unset(environ: Mapping[str, str]) -> list[str]:
    """Return what to unset in an environment: what is known, and the endpoint of any other service that is set."""
    return [*UNSET, *sorted(name for name in environ if name.startswith(_PREFIX) and name not in UNSET)]
