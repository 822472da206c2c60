"""Names that differ between botocore and IAM: services, actions, and the roles that a call passes on."""

from __future__ import annotations

PREFIXES = {
    "apigatewayv2": "apigateway",
    "dynamodbstreams": "dynamodb",
    "stepfunctions": "states",
}
"""The prefix of a service's actions, by botocore's name of the service, where they differ."""

ACTIONS = {
    "ecr:ListImageReferrers": "BatchGetImage",
    "lambda:Invoke": "InvokeFunction",
    "lambda:InvokeWithResponseStream": "InvokeFunction",
    "lambda:GetLayerVersionByArn": "GetLayerVersion",
    "sns:PublishBatch": "Publish",
    "sqs:ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "DeleteMessage",
    "sqs:SendMessageBatch": "SendMessage",
    "cloudwatch:DescribeAlarmContributors": "DescribeAlarms",
}
"""IAM's name of an action, where it isn't botocore's."""

NO_PERMISSION = frozenset({"sts:GetCallerIdentity", "sts:GetSessionToken", "sts:GetAccessKeyInfo"})
"""Calls that nobody needs a permission for.

https://docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html
"""

PASSED_ROLES = {
    "apigatewayv2:CreateAuthorizer": ("AuthorizerCredentialsArn", "apigateway.amazonaws.com"),
    "apigatewayv2:CreateIntegration": ("CredentialsArn", "apigateway.amazonaws.com"),
    "apigatewayv2:UpdateIntegration": ("CredentialsArn", "apigateway.amazonaws.com"),
    "cloudformation:CreateChangeSet": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:CreateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:DeleteStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:UpdateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "codebuild:CreateProject": ("serviceRole", "codebuild.amazonaws.com"),
    "codebuild:StartBuild": ("serviceRoleOverride", "codebuild.amazonaws.com"),
    "codebuild:UpdateProject": ("serviceRole", "codebuild.amazonaws.com"),
    "codedeploy:CreateDeploymentGroup": ("serviceRoleArn", "codedeploy.amazonaws.com"),
    "codedeploy:UpdateDeploymentGroup": ("serviceRoleArn", "codedeploy.amazonaws.com"),
    "codepipeline:CreatePipeline": ("pipeline.roleArn", "codepipeline.amazonaws.com"),
    "codepipeline:UpdatePipeline": ("pipeline.roleArn", "codepipeline.amazonaws.com"),
    "events:CreateEndpoint": ("RoleArn", "events.amazonaws.com"),
    "events:PutRule": ("RoleArn", "events.amazonaws.com"),
    "events:PutTargets": ("Targets.RoleArn", "events.amazonaws.com"),
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "logs:PutDestination": ("roleArn", "logs.amazonaws.com"),
    "logs:PutSubscriptionFilter": ("roleArn", "logs.amazonaws.com"),
    "s3:PutBucketReplication": ("ReplicationConfiguration.Role", "s3.amazonaws.com"),
    "scheduler:CreateSchedule": ("Target.RoleArn", "scheduler.amazonaws.com"),
    "scheduler:UpdateSchedule": ("Target.RoleArn", "scheduler.amazonaws.com"),
    "stepfunctions:CreateStateMachine": ("roleArn", "states.amazonaws.com"),
    "stepfunctions:UpdateStateMachine": ("roleArn", "states.amazonaws.com"),
}
"""Calls that give a role to a service, which iam:PassRole must allow: the parameter, and the service.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""

TAGGING = {
    "cloudwatch:PutCompositeAlarm": "cloudwatch:TagResource",
    "cloudwatch:PutMetricAlarm": "cloudwatch:TagResource",
    "codedeploy:CreateApplication": "codedeploy:TagResource",
    "codedeploy:CreateDeploymentGroup": "codedeploy:TagResource",
    "codepipeline:CreatePipeline": "codepipeline:TagResource",
    "dynamodb:CreateTable": "dynamodb:TagResource",
    "ecr:CreateRepository": "ecr:TagResource",
    "events:CreateEventBus": "events:TagResource",
    "events:PutRule": "events:TagResource",
    "iam:CreateInstanceProfile": "iam:TagInstanceProfile",
    "iam:CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "iam:CreatePolicy": "iam:TagPolicy",
    "iam:CreateRole": "iam:TagRole",
    "iam:CreateUser": "iam:TagUser",
    "kms:CreateKey": "kms:TagResource",
    "lambda:CreateEventSourceMapping": "lambda:TagResource",
    "lambda:CreateFunction": "lambda:TagResource",
    "logs:CreateLogGroup": "logs:TagResource",
    "secretsmanager:CreateSecret": "secretsmanager:TagResource",
    "sns:CreateTopic": "sns:TagResource",
    "sqs:CreateQueue": "sqs:TagQueue",
    "ssm:PutParameter": "ssm:AddTagsToResource",
    "states:CreateStateMachine": "states:TagResource",
}
"""Actions that need another one for the tags that a call gives, on the same resource.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_lambda.html has a table, as other pages do.
"""
