"""Every AWS name that stepladder derives, in one place.

The Terraform modules build the same names from `project` and `environment`; `tests/unit/test_names.py` compares the
two. Limits: function 64, IAM role 64, S3 bucket 63 characters
(https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PROJECT_PATTERN = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
PROJECT_MAX = 24  # "<project>-artifacts-<12 digits>-<14 letters of region>" must fit 63
ENVIRONMENT_PATTERN = r"[a-z][a-z0-9]{1,11}"
PREVIEW_PATTERN = r"pr-[1-9][0-9]{0,8}"  # as long as an environment's name at most
PREVIEWS = "pr-"
"""What the name of a preview begins with, before the number of its pull or merge request."""
REGION_PATTERN = r"[a-z]{2}(-[a-z]+)+-[0-9]"
ACCOUNT_PATTERN = r"[0-9]{12}"  # \d would take other scripts' digits too
EXAMPLE_ACCOUNT = "123456789012"  # the template's default answer, and AWS's example in its own docs
ROLE_PATTERN = r"(?a)arn:aws(-[a-z-]+)?:iam::(?P<account>[0-9]{12}):role/[\w+=,.@/-]{1,512}"

_PARTITIONS = {  # by the beginnings of their regions: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
    "cn-": "aws-cn",
    "eu-isoe-": "aws-iso-e",
    "eusc-": "aws-eusc",
    "us-gov-": "aws-us-gov",
    "us-iso-": "aws-iso",
    "us-isob-": "aws-iso-b",
    "us-isof-": "aws-iso-f",
}

ALIAS = "live"
ALARMS = ("errors", "latency", "throttles")


def partition_of(region: str) -> str:
    """Return the AWS partition of a region: aws, aws-cn, aws-us-gov and so on."""
    return next((name for start, name in _PARTITIONS.items() if region.startswith(start)), "aws")


@dataclass(frozen=True)
class Names:
    """The names of one function of a project in one environment.

    `name_of_function` is empty for the project's own function. What isn't the function's is the same for all of them.
    """

    project: str
    environment: str
    account: str
    region: str
    name_of_function: str = ""

    @property
    def target(self) -> str:
        """The key of this function in this environment: what the ledger and a promotion call it."""
        return target_key(self.environment, self.name_of_function)

    @property
    def function(self) -> str:
        """The Lambda function."""
        return f"{self.project}-{self.target}"

    @property
    def function_arn(self) -> str:
        """The unqualified ARN of the function."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{self.function}"

    @property
    def partition(self) -> str:
        """The AWS partition of the region, such as aws, aws-cn or aws-us-gov."""
        return partition_of(self.region)

    @property
    def repository(self) -> str:
        """The ECR repository: one for all environments, so that a digest can be promoted; another for all previews."""
        return f"{self.project}-pr-images" if is_preview(self.environment) else self.project

    @property
    def registry(self) -> str:
        """The host of the account's private registry on AWS."""
        suffix = {"aws-cn": "amazonaws.com.cn", "aws-eusc": "amazonaws.eu"}.get(self.partition, "amazonaws.com")
        return f"{self.account}.dkr.ecr.{self.region}.{suffix}"

    @property
    def state_bucket(self) -> str:
        """The bucket of Terraform states."""
        return f"{self.project}-tfstate-{self.account}-{self.region}"

    @property
    def artifacts_bucket(self) -> str:
        """The bucket of plans, reports and pipeline function packages."""
        return f"{self.project}-artifacts-{self.account}-{self.region}"

    def plans_prefix(self, root: str) -> str:
        """Return where the artifacts bucket keeps the reviewed plans of a root in this environment."""
        return f"plans/{self.environment}/{root}/"

    @property
    def ledger_table(self) -> str:
        """The DynamoDB table of releases and locks."""
        return f"{self.project}-releases"

    @property
    def log_group(self) -> str:
        """The function's log group."""
        return f"/aws/lambda/{self.function}"

    @property
    def alarms(self) -> tuple[str, ...]:
        """The function's alarms."""
        return tuple(f"{self.function}-{what}" for what in ALARMS)

    @property
    def codedeploy_application(self) -> str:
        """The CodeDeploy application; its one deployment group is named like the alias."""
        return self.function

    @property
    def state_machine(self) -> str:
        """The promotion state machine."""
        return f"{self.project}-promotion"

    @property
    def state_machine_arn(self) -> str:
        """The promotion state machine's ARN."""
        return f"arn:{self.partition}:states:{self.region}:{self.account}:stateMachine:{self.state_machine}"

    def execution_arn(self, name: str) -> str:
        """Return the ARN of one of its executions."""
        return f"{self.state_machine_arn.replace(':stateMachine:', ':execution:')}:{name}"

    def ci_role(self, purpose: str) -> str:
        """Name a role of CI jobs in this environment: `purpose` is plan, deploy or release."""
        return f"{self.project}-ci-{purpose}-{self.environment}"

    @property
    def preview_role(self) -> str:
        """The role of CI jobs that make previews: one for all of them."""
        return f"{self.project}-ci-preview"

    def role_arn(self, role: str) -> str:
        """Return the ARN of a role of the account by its name."""
        return f"arn:{self.partition}:iam::{self.account}:role/{role}"

    def pipeline_function(self, verb: str) -> str:
        """Name a Lambda of the pipeline: `verb` is validate, verify, rollback or relay."""
        return f"{self.project}-pipeline-{verb}"

    def state_key(self, root: str) -> str:
        """Return the state's key: `foundation`, `<environment>/service` or `delivery`."""
        return f"{self.environment}/{root}.tfstate" if root == "service" else f"{root}.tfstate"


def target_key(environment: str, name: str) -> str:
    """Return the key of one function in one environment: the environment's own name for the project's own function."""
    return f"{environment}-{name}" if name else environment


def flags(environment: str, name: str = "") -> str:
    """Return the flags by which a command is about one function in one environment."""
    return f"--env {environment} --function {name}" if name else f"--env {environment}"


def flags_of(target: str) -> str:
    """Return the flags by which a command is about a target."""
    return flags(*split_target(target))


def split_target(key: str) -> tuple[str, str]:
    """Return the environment and the function's name of a target's key.

    No environment's name has a hyphen but a preview's, behind which stands a number. No function's begins with one.
    """
    preview = re.match(rf"({PREVIEW_PATTERN})(?:-|$)", key)
    environment = preview[1] if preview else key.partition("-")[0]
    return environment, key[len(environment) + 1 :]


def preview(number: str) -> str:
    """Name the preview of a pull or merge request."""
    return f"{PREVIEWS}{number}"


def is_preview(environment: str) -> bool:
    """Say whether an environment's name is a preview's: `pr-` and the number of a pull or merge request."""
    return bool(re.fullmatch(PREVIEW_PATTERN, environment))


def preview_number(environment: str) -> str:
    """Return the number of the pull or merge request that a preview is of."""
    return environment.removeprefix(PREVIEWS)
