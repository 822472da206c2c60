"""The services of the local cloud, a folder for each. They are installed in this order.

The folders share their file names:

api      `install(cloud)`: registers the actions of the service
service  what the actions share
model    the records that the service keeps
store    where it keeps them
engine   what goes on by itself: alarms, deployments, invocations

A service imports Moto's modules and other heavy ones inside its handlers: the cloud must be ready at once.
"""

from __future__ import annotations

SERVICES = (
    "iam",
    "dynamodb",
    "sts",
    "s3",
    "sqs",
    "sns",
    "events",
    "ecr",
    "lambda_",
    "cloudwatch",
    "codedeploy",
    "stepfunctions",
    "codeconnections",
    "codebuild",
    "codepipeline",
    "cloudformation",
)
"""Names of folders in this package."""
