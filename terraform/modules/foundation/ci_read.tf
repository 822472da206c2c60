# What Terraform and the tasks read. A name of a service in lower case is a key below: the policies are in ci_policies.tf.
locals {
  ci_environments = var.ci.environments

  # `*` stands for a pull request's number. No environment's name has a hyphen, so no environment is a preview.
  ci_services = merge(
    { for name, environment in local.ci_environments : name => merge(environment, { name = "${var.project}-${name}", state = name }) },
    { for each in local.ci_previews : each => {
      buckets   = []
      http_api  = false # an API's id is AWS's, so no API can be named as a preview's
      name      = "${var.project}-pr-*"
      promoted  = false
      queues    = ["${var.project}-pr-*"]
      rules     = ["${var.project}-pr-*"]
      schedules = ["${var.project}-pr-*"]
      stacks    = ["${var.project}-pr-*"]
      state     = "pr-*"
      topics    = []
    } },
  )

  ci_regional  = { for service in ["cloudformation", "cloudwatch", "codedeploy", "dynamodb", "ec2", "ecr", "events", "kms", "lambda", "logs", "scheduler", "secretsmanager", "sns", "sqs", "ssm", "states"] : service => "${local.ci_arn_prefix}:${service}:${var.region}:${var.account}" }
  ci_iam       = "${local.ci_arn_prefix}:iam::${var.account}"
  ci_functions = { for key, service in local.ci_services : key => "${local.ci_regional.lambda}:function:${service.name}" }

  # The functions beside a project's own are reached by what their names begin with: a hundred names would fit no policy.
  # What a preview is called reaches all of its functions as it is.
  ci_many      = { for key in keys(local.ci_services) : key => var.functions && contains(keys(local.ci_environments), key) ? ["-*"] : [] }
  ci_any       = { for key, ends in local.ci_many : key => trimprefix(join("", ends), "-") }
  ci_named     = { for key, ends in local.ci_many : key => [for end in ends : "${local.ci_functions[key]}${end}"] }
  ci_table     = "${local.ci_regional.dynamodb}:table/${var.project}-releases"
  ci_state     = "${local.bucket_arn_prefix}${local.buckets.state}"
  ci_artifacts = "${local.bucket_arn_prefix}${local.buckets.artifacts}"
  ci_image     = "${local.ci_regional.ecr}:repository/${var.project}"

  ci_preview_image = "${local.ci_image}-pr-images"

  # The roles of a service, and to whom they are passed.
  ci_service_roles = { for key, service in local.ci_services : key => {
    codedeploy = "${local.ci_iam}:role/${service.name}-${local.ci_any[key]}codedeploy"
    lambda     = "${local.ci_iam}:role/${service.name}-${local.ci_any[key]}function"
    scheduler  = "${local.ci_iam}:role/${service.name}-${local.ci_any[key]}schedule"
  } }

  # The functions of the promotion; the last one is there where smoke cases have checks of their own.
  ci_verbs = ["relay", "rollback", "validate", "verify", "smoke-check"]

  # The roles of the promotion have the region behind them in every location but the primary.
  ci_pipeline_functions = [for verb in local.ci_verbs : "${local.ci_regional.lambda}:function:${var.project}-pipeline-${verb}"]
  ci_delivery_suffix    = var.ci.primary ? "" : "-${var.region}"
  ci_delivery_roles = {
    lambda = [for verb in local.ci_verbs : "${local.ci_iam}:role/${var.project}-pipeline-${verb}${local.ci_delivery_suffix}"]
    states = ["${local.ci_iam}:role/${var.project}-promotion${local.ci_delivery_suffix}"]
  }
  ci_machine    = "${local.ci_regional.states}:stateMachine:${var.project}-promotion"
  ci_executions = "${local.ci_regional.states}:execution:${var.project}-promotion:*"

  # Where a rung has more targets than one history holds, a Map runs as child executions, below its label.
  ci_children = [for label in ["finish", "release"] : "${local.ci_regional.states}:execution:${var.project}-promotion/${label}:*" if var.functions]
  ci_map_runs = [for label in ["finish", "release"] : "${local.ci_regional.states}:mapRun:${var.project}-promotion/${label}:*" if var.functions]

  ci_read_role_actions = [
    "iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListInstanceProfilesForRole",
    "iam:ListRolePolicies", "iam:ListRoleTags",
  ]

  # Reads of the foundation, by Terraform alone.
  ci_read_foundation = concat([
    {
      Sid = "ReadBuckets"
      Action = [
        "s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLogging",
        "s3:GetBucketObjectLockConfiguration", "s3:GetBucketOwnershipControls", "s3:GetBucketPolicy",
        "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging", "s3:GetBucketVersioning",
        "s3:GetBucketWebsite", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration", "s3:ListBucket",
      ]
      Resource = [local.ci_artifacts, local.ci_state]
    },
    {
      Sid      = "ReadTheTable"
      Action   = ["dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive", "dynamodb:ListTagsOfResource"]
      Resource = [local.ci_table]
    },
    {
      Sid       = "ReadTheTablesKey"
      Action    = ["kms:DescribeKey"]
      Resource  = ["${local.ci_regional.kms}:key/*"]
      Condition = { "ForAnyValue:StringEquals" = { "kms:ResourceAliases" = ["alias/aws/dynamodb"] } }
    },
    {
      Sid      = "ReadTheRepository"
      Action   = ["ecr:DescribeRepositories", "ecr:GetLifecyclePolicy", "ecr:GetRepositoryPolicy", "ecr:ListTagsForResource"]
      Resource = concat([local.ci_image], [for each in local.previews : local.ci_preview_image])
    },
    {
      Sid      = "ReadRoles"
      Action   = local.ci_read_role_actions
      Resource = [for role in keys(local.ci_roles) : "${local.ci_iam}:role/${var.project}-ci-${role}"]
    },
    {
      Sid      = "ReadPolicies"
      Action   = ["iam:GetPolicy", "iam:GetPolicyVersion"]
      Resource = [for policy in distinct(flatten(concat(["boundary-${var.region}"], [for role in local.ci_roles : role.policies]))) : "${local.ci_iam}:policy/${var.project}-ci-${policy}"]
    },
  ], [for each in [values(local.ci_providers)] : { Sid = "ReadProviders", Action = ["iam:GetOpenIDConnectProvider"], Resource = each } if length(each) > 0])

  # Reads of the delivery, by Terraform alone, and of the states.
  ci_read_shared = concat(
    [
      {
        Sid      = "ReadStates"
        Action   = ["s3:GetObject"]
        Resource = flatten([for name in concat(["delivery", "foundation"], [for each in keys(local.ci_environments) : "${each}/service"]) : ["${local.ci_state}/${name}.tfstate", "${local.ci_state}/${name}.tfstate.tflock"]])
      },
      {
        Sid      = "FindStates"
        Action   = ["s3:ListBucket"]
        Resource = [local.ci_state]
      },
      {
        Sid      = "ReadThePipeline"
        Action   = ["lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConfiguration", "lambda:GetPolicy", "lambda:ListTags", "lambda:ListVersionsByFunction"]
        Resource = concat(local.ci_pipeline_functions, [for arn in local.ci_pipeline_functions : "${arn}:*"])
      },
      {
        Sid      = "ReadThePipelinesLogs"
        Action   = ["logs:ListTagsForResource"]
        Resource = local.ci_delivery_log_groups
      },
      {
        Sid      = "ReadTheMachine"
        Action   = ["states:DescribeStateMachine", "states:DescribeStateMachineAlias", "states:ListStateMachineAliases", "states:ListStateMachineVersions", "states:ListTagsForResource"]
        Resource = [local.ci_machine]
      },
      {
        Sid      = "ReadTheTopic"
        Action   = ["sns:GetTopicAttributes", "sns:ListTagsForResource"]
        Resource = ["${local.ci_regional.sns}:${var.project}-promotion"]
      },
      {
        Sid      = "ReadTheRule"
        Action   = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
        Resource = ["${local.ci_regional.events}:rule/${var.project}-promotion-ended"]
      },
      {
        Sid      = "ReadRoles"
        Action   = local.ci_read_role_actions
        Resource = concat(local.ci_delivery_roles.lambda, local.ci_delivery_roles.states)
      },
    ],
  )

  # What every command reads: the ledger, the image, executions, what each rung serves, and what has no resource to name.
  ci_ladder     = [for key in keys(local.ci_environments) : local.ci_functions[key]]
  ci_every_name = flatten([for end in concat([""], var.functions ? ["-*"] : []) : [for name in keys(local.ci_environments) : "${var.project}-${name}${end}"]])
  ci_read_releases = concat(
    [
      {
        Sid      = "ReadTheLedger"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
        Resource = [local.ci_table]
      },
      {
        Sid      = "ReadTheImage"
        Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:DescribeImageScanFindings", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer", "ecr:GetRepositoryPolicy"]
        Resource = [local.ci_image]
      },
      {
        Sid      = "ReadWhatServes"
        Action   = ["lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:GetProvisionedConcurrencyConfig", "lambda:ListVersionsByFunction"]
        Resource = concat(local.ci_ladder, [for arn in local.ci_ladder : "${arn}:*"], flatten([for key in keys(local.ci_environments) : local.ci_named[key]]))
      },
      {
        Sid      = "ReadWhatIsDeployed"
        Action   = ["codedeploy:BatchGetDeployments", "codedeploy:GetDeployment", "codedeploy:ListDeployments"]
        Resource = [for name in local.ci_every_name : "${local.ci_regional.codedeploy}:deploymentgroup:${name}/live"]
      },
      {
        Sid      = "ReadLogsOfPromotions"
        Action   = ["logs:FilterLogEvents"]
        Resource = local.ci_delivery_log_groups
      },
      {
        Sid      = "FindExecutions"
        Action   = ["states:ListExecutions"]
        Resource = [local.ci_machine]
      },
      {
        Sid      = "ReadExecutions"
        Action   = ["states:DescribeExecution", "states:GetExecutionHistory"]
        Resource = concat([local.ci_executions], local.ci_children)
      },
    ],
    [for each in [local.ci_children] : { Sid = "ReadMapRuns", Action = ["states:DescribeMapRun", "states:ListExecutions", "states:ListMapRuns"], Resource = concat(local.ci_map_runs, [local.ci_executions]) } if length(each) > 0],
    local.ci_read_nameless,
  )

  # What a function logs may be anybody's data. A plan needs none of it, and whoever opens a pull request may plan.
  ci_read_logs = {
    Sid      = "ReadLogs"
    Action   = ["logs:FilterLogEvents"]
    Resource = flatten([for name in keys(local.ci_environments) : [for end in concat(["", ":*"], local.ci_many[name]) : "${local.ci_regional.logs}:log-group:/aws/lambda/${var.project}-${name}${end}"]])
  }

  # These have no resource to name: https://docs.aws.amazon.com/service-authorization/latest/reference/
  ci_read_nameless = [
    {
      Sid = "ReadWhatHasNoName"
      Action = [
        "cloudformation:DescribeStacks", "cloudwatch:DescribeAlarms", "cloudwatch:GetMetricData", "ec2:DescribeSecurityGroups",
        "ec2:DescribeSubnets", "ec2:DescribeVpcs", "ecr:GetAuthorizationToken", "lambda:GetAccountSettings",
        "lambda:ListEventSourceMappings", "logs:DescribeLogGroups", "ssm:DescribeParameters", "states:ValidateStateMachineDefinition",
      ]
      Resource = ["*"]
    },
  ]

  # The pipeline's log groups by their prefix, which no function of a service has: a policy has no room for six names twice.
  ci_delivery_log_groups = [
    for name in ["/aws/lambda/${var.project}-pipeline-*", "/aws/vendedlogs/states/${var.project}-promotion", "/aws/vendedlogs/states/${var.project}-promotion:*"] :
    "${local.ci_regional.logs}:log-group:${name}"
  ]

  # Reads of one service.
  ci_read_service = { for key, service in local.ci_services : key => concat(
    [
      {
        Sid = "ReadTheFunction"
        Action = [
          "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConcurrency",
          "lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig", "lambda:GetFunctionUrlConfig",
          "lambda:GetPolicy", "lambda:GetProvisionedConcurrencyConfig", "lambda:ListAliases", "lambda:ListTags", "lambda:ListVersionsByFunction",
        ]
        Resource = concat([local.ci_functions[key], "${local.ci_functions[key]}:*"], local.ci_named[key])
      },
      {
        Sid       = "ReadMappings"
        Action    = ["lambda:GetEventSourceMapping"]
        Resource  = ["${local.ci_regional.lambda}:event-source-mapping:*"]
        Condition = { ArnLike = { "lambda:FunctionArn" = concat([local.ci_functions[key], "${local.ci_functions[key]}:*"], local.ci_named[key]) } }
      },
      {
        Sid      = "ReadTagsOfMappings" # they have an id of AWS's, and the action no key of the function
        Action   = ["lambda:ListTags"]
        Resource = ["${local.ci_regional.lambda}:event-source-mapping:*"]
      },
      {
        Sid      = "ReadTheLog"
        Action   = ["logs:ListTagsForResource"]
        Resource = [for end in concat(["", ":*"], local.ci_many[key]) : "${local.ci_regional.logs}:log-group:/aws/lambda/${service.name}${end}"]
      },
      {
        Sid      = "ReadAlarms"
        Action   = ["cloudwatch:ListTagsForResource"]
        Resource = [for what in ["errors", "latency", "throttles"] : "${local.ci_regional.cloudwatch}:alarm:${service.name}-${local.ci_any[key]}${what}"]
      },
      {
        Sid    = "ReadDeployments"
        Action = ["codedeploy:BatchGetDeployments", "codedeploy:GetApplication", "codedeploy:GetDeployment", "codedeploy:GetDeploymentConfig", "codedeploy:GetDeploymentGroup", "codedeploy:ListDeployments", "codedeploy:ListTagsForResource"]
        Resource = concat(
          [
            "${local.ci_regional.codedeploy}:application:${service.name}",
            "${local.ci_regional.codedeploy}:deploymentgroup:${service.name}/live",
            "${local.ci_regional.codedeploy}:deploymentconfig:${service.name}-*",
            "${local.ci_regional.codedeploy}:deploymentconfig:CodeDeployDefault.*",
          ],
          local.ci_named_deployments[key],
        )
      },
      {
        Sid      = "ReadRoles"
        Action   = local.ci_read_role_actions
        Resource = values(local.ci_service_roles[key])
      },
      {
        Sid      = "ReadRules"
        Action   = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
        Resource = local.ci_rules[key]
      },
      {
        Sid      = "ReadSchedules"
        Action   = ["scheduler:GetSchedule"]
        Resource = [for name in service.schedules : "${local.ci_regional.scheduler}:schedule/default/${name}"]
      },
      {
        Sid      = "ReadQueues"
        Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"]
        Resource = local.ci_queues[key]
      },
      {
        Sid      = "ReadStacks"
        Action   = ["cloudformation:DescribeStacks", "cloudformation:GetTemplate"]
        Resource = local.ci_stacks[key]
      },
      {
        Sid      = "ReadWhetherSecretsAreSet"
        Action   = ["secretsmanager:DescribeSecret"]
        Resource = ["${local.ci_regional.secretsmanager}:secret:${var.project}/${service.state}/*"]
      },
    ],
    [for each in [service.http_api] : { Sid = "ReadApis", Action = ["apigateway:GET"], Resource = local.ci_api_resources } if each],
    [for each in [service.buckets] : { Sid = "ReadNotifications", Action = ["s3:GetBucketNotification"], Resource = each } if length(each) > 0],
    [for each in [service.topics] : { Sid = "ReadSubscriptions", Action = ["sns:GetSubscriptionAttributes", "sns:ListSubscriptionsByTopic"], Resource = each } if length(each) > 0],
  ) }

  # An API's id is AWS's. What belongs to it has no tag to ask for.
  ci_api_resources = [for path in ["/apis", "/apis/*", "/tags/*"] : "${local.ci_arn_prefix}:apigateway:${var.region}::${path}"]

  ci_named_deployments = { for key, service in local.ci_services : key => flatten([
    for end in local.ci_many[key] : ["${local.ci_regional.codedeploy}:application:${service.name}${end}", "${local.ci_regional.codedeploy}:deploymentgroup:${service.name}${end}/live"]
  ]) }

  ci_queues = { for key, service in local.ci_services : key => flatten([for name in service.queues : ["${local.ci_regional.sqs}:${name}", "${local.ci_regional.sqs}:${name}-dead-letters"]]) }
  ci_rules  = { for key, service in local.ci_services : key => [for name in service.rules : "${local.ci_regional.events}:rule/${name}"] }
  ci_stacks = { for key, service in local.ci_services : key => [for name in service.stacks : "${local.ci_regional.cloudformation}:stack/${name}/*"] }
}
