# What Terraform changes: a service, and the delivery. No statement names a role, a policy or a provider of this module, or
# a bucket's settings, so no job can give itself more than it has.
locals {
  # A role that a job makes or changes is bounded, and stays so: a function could be given the rights to lift it else.
  ci_boundary_condition = { StringEquals = { "iam:PermissionsBoundary" = [local.ci_boundary] } }
  ci_bounded_role_actions = [
    "iam:AttachRolePolicy", "iam:CreateRole", "iam:DeleteRolePolicy", "iam:DetachRolePolicy",
    "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy",
  ]
  ci_role_actions = [
    "iam:DeleteRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
  ]
  ci_function_actions = [
    "lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction", "lambda:RemovePermission", "lambda:TagResource",
    "lambda:UntagResource", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
  ]
  ci_log_group_actions = [
    "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteRetentionPolicy", "logs:PutRetentionPolicy", "logs:TagResource",
    "logs:UntagResource",
  ]
  ci_rule_actions = [
    "events:DeleteRule", "events:DisableRule", "events:EnableRule", "events:PutRule", "events:PutTargets",
    "events:RemoveTargets", "events:TagResource", "events:UntagResource",
  ]

  # Of a rung that releases reach by promotion, the state machine updates code and moves the alias.
  ci_apply_service = { for key, service in local.ci_services : key => concat(
    [
      {
        Sid      = "KeepTheState"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["${local.ci_state}/${service.state}/service.tfstate.tflock"]
      },
      {
        Sid      = "WriteTheState"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${local.ci_state}/${service.state}/service.tfstate"]
      },
      {
        Sid      = "ReadReviewedPlans"
        Action   = ["s3:GetObject"]
        Resource = ["${local.ci_artifacts}/plans/${service.state}/*"]
      },
      {
        Sid       = "HoldTheLock"
        Action    = local.ci_ledger_writes
        Resource  = [local.ci_table]
        Condition = { for test, keys in local.ci_own_items : test => { "dynamodb:LeadingKeys" = test == "Null" ? keys : ["env#${service.state}"] } }
      },
      {
        Sid = "MakeTheFunction"
        Action = concat(local.ci_function_actions, [
          "lambda:CreateAlias", "lambda:CreateFunctionUrlConfig", "lambda:DeleteAlias", "lambda:DeleteFunctionConcurrency",
          "lambda:DeleteFunctionEventInvokeConfig", "lambda:DeleteFunctionUrlConfig", "lambda:DeleteProvisionedConcurrencyConfig",
          "lambda:PutFunctionConcurrency", "lambda:PutFunctionEventInvokeConfig", "lambda:PutProvisionedConcurrencyConfig",
          "lambda:UpdateFunctionEventInvokeConfig", "lambda:UpdateFunctionUrlConfig",
        ])
        Resource = concat([local.ci_functions[key], "${local.ci_functions[key]}:live"], local.ci_named[key])
      },
      {
        Sid      = "MakeTheLog"
        Action   = local.ci_log_group_actions
        Resource = [for end in concat(["", ":*"], local.ci_many[key]) : "${local.ci_regional.logs}:log-group:/aws/lambda/${service.name}${end}"]
      },
      {
        Sid      = "MakeAlarms"
        Action   = ["cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
        Resource = [for what in ["errors", "latency", "throttles"] : "${local.ci_regional.cloudwatch}:alarm:${service.name}-${local.ci_any[key]}${what}"]
      },
      {
        Sid = "MakeDeployments"
        Action = [
          "codedeploy:CreateApplication", "codedeploy:CreateDeploymentConfig", "codedeploy:CreateDeploymentGroup",
          "codedeploy:DeleteApplication", "codedeploy:DeleteDeploymentConfig", "codedeploy:DeleteDeploymentGroup",
          "codedeploy:TagResource", "codedeploy:UntagResource", "codedeploy:UpdateApplication", "codedeploy:UpdateDeploymentGroup",
        ]
        Resource = concat(
          [
            "${local.ci_regional.codedeploy}:application:${service.name}",
            "${local.ci_regional.codedeploy}:deploymentgroup:${service.name}/live",
            "${local.ci_regional.codedeploy}:deploymentconfig:${service.name}-${local.ci_any[key]}canary-*",
            "${local.ci_regional.codedeploy}:deploymentconfig:${service.name}-${local.ci_any[key]}linear-*",
          ],
          local.ci_named_deployments[key],
        )
      },
      {
        Sid       = "MakeBoundedRoles"
        Action    = local.ci_bounded_role_actions
        Resource  = values(local.ci_service_roles[key])
        Condition = local.ci_boundary_condition
      },
      {
        Sid      = "KeepRoles"
        Action   = local.ci_role_actions
        Resource = values(local.ci_service_roles[key])
      },
    ],
    [for to, arn in local.ci_service_roles[key] : {
      Sid       = "PassTo${title(to)}"
      Action    = ["iam:PassRole"]
      Resource  = [arn]
      Condition = { StringEquals = { "iam:PassedToService" = ["${to}.amazonaws.com"] } }
    }],
  ) }

  # What calls it.
  ci_apply_triggers = { for key, service in local.ci_services : key => concat(
    [
      {
        Sid       = "MakeMappings"
        Action    = ["lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"]
        Resource  = ["*"] # a mapping has no name, and the first of these no resource
        Condition = { ArnLike = { "lambda:FunctionArn" = concat([local.ci_functions[key], "${local.ci_functions[key]}:*"], local.ci_named[key]) } }
      },
      {
        Sid      = "TagMappings"
        Action   = ["lambda:TagResource", "lambda:UntagResource"]
        Resource = ["${local.ci_regional.lambda}:event-source-mapping:*"]
        # Of a mapping that has tags, those of this project only.
        Condition = { StringEqualsIfExists = { "aws:ResourceTag/project" = [var.project] } }
      },
      {
        Sid      = "MakeRules"
        Action   = local.ci_rule_actions
        Resource = local.ci_rules[key]
      },
      {
        Sid      = "MakeSchedules"
        Action   = ["scheduler:CreateSchedule", "scheduler:DeleteSchedule", "scheduler:UpdateSchedule"]
        Resource = [for name in service.schedules : "${local.ci_regional.scheduler}:schedule/default/${name}"]
      },
      {
        Sid      = "MakeQueues"
        Action   = ["sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue"]
        Resource = local.ci_queues[key]
      },
      {
        Sid      = "MakeStacks"
        Action   = ["cloudformation:CreateStack", "cloudformation:DeleteStack", "cloudformation:UpdateStack"]
        Resource = local.ci_stacks[key]
      },
    ],
    [for each in [service.http_api] : {
      Sid      = "MakeApis"
      Action   = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT", "apigateway:TagResource", "apigateway:UntagResource"]
      Resource = local.ci_api_resources
    } if each],
    [for each in [service.buckets] : { Sid = "NotifyOfObjects", Action = ["s3:PutBucketNotification"], Resource = each } if length(each) > 0],
    [for each in [service.topics] : { Sid = "Subscribe", Action = ["sns:SetSubscriptionAttributes", "sns:Subscribe", "sns:Unsubscribe"], Resource = each } if length(each) > 0],
  ) }

  ci_apply_delivery = concat(
    [
      {
        Sid      = "KeepTheState"
        Action   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
        Resource = ["${local.ci_state}/delivery.tfstate.tflock"]
      },
      {
        Sid      = "WriteTheState"
        Action   = ["s3:GetObject", "s3:PutObject"]
        Resource = ["${local.ci_state}/delivery.tfstate", "${local.ci_artifacts}/pipeline/*"]
      },
      {
        Sid       = "RecordIt"
        Action    = local.ci_ledger_writes
        Resource  = [local.ci_table]
        Condition = { for test, keys in local.ci_own_items : test => { "dynamodb:LeadingKeys" = test == "Null" ? keys : ["root#delivery"] } }
      },
      {
        Sid      = "MakeFunctions"
        Action   = concat(local.ci_function_actions, ["lambda:PublishVersion"])
        Resource = local.ci_pipeline_functions
      },
      {
        Sid      = "MakeLogs"
        Action   = local.ci_log_group_actions
        Resource = local.ci_delivery_log_groups
      },
      {
        Sid    = "MakeTheMachine"
        Action = ["states:CreateStateMachine", "states:CreateStateMachineAlias", "states:DeleteStateMachine", "states:DeleteStateMachineAlias", "states:DeleteStateMachineVersion", "states:PublishStateMachineVersion", "states:TagResource", "states:UntagResource", "states:UpdateStateMachine", "states:UpdateStateMachineAlias"]
        # A version or an alias is authorised by the machine's own ARN.
        Resource = [local.ci_machine]
      },
      {
        Sid      = "MakeTheTopic"
        Action   = ["sns:CreateTopic", "sns:DeleteTopic", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource", "sns:Unsubscribe", "sns:UntagResource"]
        Resource = ["${local.ci_regional.sns}:${var.project}-promotion"]
      },
      {
        Sid      = "MakeTheRule"
        Action   = local.ci_rule_actions
        Resource = ["${local.ci_regional.events}:rule/${var.project}-promotion-ended"]
      },
      {
        Sid       = "MakeBoundedRoles"
        Action    = local.ci_bounded_role_actions
        Resource  = concat(local.ci_delivery_roles.lambda, local.ci_delivery_roles.states)
        Condition = local.ci_boundary_condition
      },
      {
        Sid      = "KeepRoles"
        Action   = local.ci_role_actions
        Resource = concat(local.ci_delivery_roles.lambda, local.ci_delivery_roles.states)
      },
    ],
    [for to, arns in local.ci_delivery_roles : {
      Sid       = "PassTo${title(to)}"
      Action    = ["iam:PassRole"]
      Resource  = arns
      Condition = { StringEquals = { "iam:PassedToService" = ["${to}.amazonaws.com"] } }
    }],
  )
}
