"""The plugins of the local cloud: modules with `install(cloud)`, installed in this order.

A plugin imports Moto's modules and other heavy ones inside its handlers: the cloud must be ready at once.
"""

from __future__ import annotations

PLUGINS = (
    "iam",
    "s3",
    "sqs",
    "ecr",
    "lambda_",
    "cloudwatch",
    "codedeploy",
    "stepfunctions",
    "cloudformation",
)
"""Names of modules in this package."""
