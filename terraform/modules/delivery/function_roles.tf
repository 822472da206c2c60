# One role for each function, with exact ARNs. Only rollback's may move an alias: back, and onto a first release.
locals {
  ledger_environments = concat(
    [for environment in local.environments : "env#${environment}"],
    local.many ? [for environment in local.environments : "env#${environment}-*"] : [],
  )

  # The items of the ledger that each function reads and writes, by their partition keys (docs/reference/ledger.md).
  ledger_keys = {
    relay    = { read = var.home == null ? [] : ["climb#*"], write = [] } # the task token of a child that awaits a decision
    rollback = { read = concat(["deployment#*"], local.ledger_environments), write = local.ledger_environments }
    validate = { read = concat(["digest#*"], local.ledger_environments), write = local.ledger_environments }
    verify = { # what a release command answered; the answer to a canary's question; why a hook said no
      read  = concat(["command#*"], var.judges_versions ? ["climb#*"] : [])
      write = ["command#*", "deployment#*"]
    }
  }
}

data "aws_iam_policy_document" "assumed_by_lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "pipeline" {
  for_each = local.functions

  name                 = "${var.project}-pipeline-${each.key}${local.role_suffix}"
  description          = "What ${each.key} of ${var.project}'s promotion pipeline may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_lambda.json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "pipeline" {
  for_each = local.functions

  statement {
    sid       = "WriteOwnLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.arn_prefix}:logs:${var.region}:${var.account}:log-group:/aws/lambda/${var.project}-pipeline-${each.key}:log-stream:*"]
  }

  statement {
    sid       = "ReadWhatServes"
    actions   = ["lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionConfiguration"]
    resources = concat(local.target_functions, local.target_qualifiers)
  }

  dynamic "statement" {
    for_each = each.key == "relay" ? [] : ["this"]

    content {
      sid       = "ReadDeployments"
      actions   = ["codedeploy:BatchGetDeployments", "codedeploy:GetDeployment", "codedeploy:ListDeployments"]
      resources = local.target_deployment_groups
    }
  }

  # Lambda asks for the image in its caller's name, which takes the repository's policy too.
  dynamic "statement" {
    for_each = each.key == "validate" ? ["this"] : []

    content {
      sid = "ReadTheImage"
      actions = [
        "ecr:BatchGetImage",
        "ecr:DescribeImageScanFindings",
        "ecr:GetDownloadUrlForLayer",
        "ecr:GetRepositoryPolicy",
      ]
      resources = [local.repository_arn]
    }
  }

  # The state machine has validate make these calls: their answers have the function's environment variables, and what a
  # task answers stands in the execution's history.
  dynamic "statement" {
    for_each = each.key == "validate" ? ["this"] : []

    content {
      sid       = "PublishVersions"
      actions   = ["lambda:PublishVersion", "lambda:UpdateFunctionCode"]
      resources = local.target_functions
    }
  }

  # With enhanced scanning ECR asks Inspector in its caller's name. Neither action has a resource to name.
  # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-scanning-enhanced-iam.html
  dynamic "statement" {
    for_each = each.key == "validate" ? ["this"] : []

    content {
      sid       = "ReadInspectorsFindings"
      actions   = ["inspector2:ListCoverage", "inspector2:ListFindings"]
      resources = ["*"]
    }
  }

  # ForAllValues is true of a request that names no key, so Null asks for one.
  dynamic "statement" {
    for_each = length(local.ledger_keys[each.key].read) > 0 ? ["this"] : []

    content {
      sid       = "ReadTheLedger"
      actions   = ["dynamodb:GetItem"]
      resources = [local.ledger_table_arn]

      condition {
        test     = "ForAllValues:StringLike"
        variable = "dynamodb:LeadingKeys"
        values   = local.ledger_keys[each.key].read
      }

      condition {
        test     = "Null"
        variable = "dynamodb:LeadingKeys"
        values   = ["false"]
      }
    }
  }

  dynamic "statement" {
    for_each = length(local.ledger_keys[each.key].write) > 0 ? ["this"] : []

    content {
      sid       = "WriteTheLedger"
      actions   = each.key == "verify" ? ["dynamodb:PutItem"] : ["dynamodb:DeleteItem", "dynamodb:PutItem"]
      resources = [local.ledger_table_arn]

      condition {
        test     = "ForAllValues:StringLike"
        variable = "dynamodb:LeadingKeys"
        values   = local.ledger_keys[each.key].write
      }

      condition {
        test     = "Null"
        variable = "dynamodb:LeadingKeys"
        values   = ["false"]
      }
    }
  }

  dynamic "statement" {
    for_each = each.key == "validate" ? ["this"] : []

    content {
      sid       = "ReadProvisionedConcurrency"
      actions   = ["lambda:GetProvisionedConcurrencyConfig"]
      resources = [for arn in local.target_functions : "${arn}:live"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "verify" ? ["this"] : []

    content {
      sid       = "CallWhatIsUnderTest"
      actions   = ["lambda:InvokeFunction"]
      resources = local.target_qualifiers
    }
  }

  dynamic "statement" {
    for_each = each.key == "verify" && local.has_checks ? ["this"] : []

    content {
      sid       = "RunChecks"
      actions   = ["lambda:InvokeFunction"]
      resources = [local.check_arn]
    }
  }

  dynamic "statement" {
    for_each = each.key == "verify" ? ["this"] : []

    content {
      sid       = "ReadTheAccountsConcurrency"
      actions   = ["lambda:GetAccountSettings"] # it has no resource to name
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "verify" ? ["this"] : []

    content {
      sid       = "ReadTheSmokeCases"
      actions   = ["s3:GetObject"]
      resources = ["${local.arn_prefix}:s3:::${local.artifacts_bucket}/smoke/*"]
    }
  }

  # AWS contradicts itself about this action and about those of StopDeployments below. The service authorization reference
  # gives them no resource type, so that they need all resources:
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodedeploy.html
  # CodeDeploy's own guide names the deployment group, which an AWS employee calls wrong for StopDeployment:
  # https://github.com/awsdocs/aws-codedeploy-user-guide/issues/18
  # "*" holds under both readings. The functions only pass ids of deployments of their own groups.
  dynamic "statement" {
    for_each = each.key == "verify" ? ["this"] : []

    content {
      sid       = "AnswerHooks"
      actions   = ["codedeploy:PutLifecycleEventHookExecutionStatus"]
      resources = ["*"]
    }
  }

  # DescribeAlarms is authorised against the list of alarms, not against each of them.
  dynamic "statement" {
    for_each = each.key == "verify" || (each.key == "validate" && length(local.alarm_regions) > 0) ? ["this"] : []

    content {
      sid       = "ReadAlarms"
      actions   = ["cloudwatch:DescribeAlarms"]
      resources = [for region in distinct(concat([var.region], local.alarm_regions)) : "${local.arn_prefix}:cloudwatch:${region}:${var.account}:alarm:*"]
    }
  }

  # On ladders that compare versions or count requests, and on no other. GetMetricData has no resource to name, and its
  # one condition key is of no use: cloudwatch:namespace is asked of PutMetricData alone.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoncloudwatch.html
  dynamic "statement" {
    for_each = each.key == "verify" && var.judges_versions ? ["this"] : []

    content {
      sid       = "ReadMetricsOfVersions"
      actions   = ["cloudwatch:GetMetricData"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = each.key == "rollback" ? ["this"] : []

    content {
      sid       = "MoveTheAlias"
      actions   = ["lambda:UpdateAlias"]
      resources = concat(local.target_functions, [for arn in local.target_functions : "${arn}:live"])
    }
  }

  dynamic "statement" {
    for_each = each.key == "rollback" ? ["this"] : []

    content {
      sid       = "StopDeployments"
      actions   = ["codedeploy:GetDeploymentTarget", "codedeploy:ListDeploymentTargets", "codedeploy:StopDeployment"]
      resources = ["*"] # see AnswerHooks
    }
  }

  dynamic "statement" {
    for_each = each.key == "rollback" ? ["this"] : []

    content {
      sid       = "ReadExecutions"
      actions   = ["states:DescribeExecution"]
      resources = [local.executions_arn]
    }
  }

  # What a promotion that was cut off left running in its Maps ends by itself: it is waited for.
  dynamic "statement" {
    for_each = each.key == "rollback" && local.many ? ["this"] : []

    content {
      sid       = "ReadMapRuns"
      actions   = ["states:DescribeMapRun", "states:ListMapRuns"]
      resources = concat([local.executions_arn], local.map_run_arns)
    }
  }
}

# What the primary may have done here, by this location's executions, and nothing of it on functions, aliases or
# deployments. The primary's own relay only asks: nobody has it start an execution or answer one.
data "aws_iam_policy_document" "relay" {
  source_policy_documents = [data.aws_iam_policy_document.pipeline["relay"].json]

  statement {
    sid       = "WatchClimbs"
    actions   = ["states:DescribeExecution"]
    resources = [local.executions_arn]
  }

  # Versions and aliases are authorised by the state machine's own ARN.
  # https://docs.aws.amazon.com/step-functions/latest/dg/auth-version-alias.html
  dynamic "statement" {
    for_each = var.home == null ? [] : ["this"]

    content {
      sid       = "StartClimbs"
      actions   = ["states:StartExecution"]
      resources = [local.machine_arn]
    }
  }

  dynamic "statement" {
    for_each = var.home == null ? [] : ["this"]

    content {
      sid       = "StopClimbs"
      actions   = ["states:StopExecution"]
      resources = [local.executions_arn]
    }
  }

  # A task token has no resource to name; the items of the ledger that hold one are limited above.
  dynamic "statement" {
    for_each = var.home == null ? [] : ["this"]

    content {
      sid       = "GiveTheWord"
      actions   = ["states:SendTaskFailure", "states:SendTaskHeartbeat", "states:SendTaskSuccess"]
      resources = ["*"]
    }
  }

  dynamic "statement" {
    for_each = var.home == null ? [] : ["this"]

    content {
      sid       = "AskThePipeline"
      actions   = ["lambda:InvokeFunction"]
      resources = [local.function_arns["rollback"], local.function_arns["validate"]]
    }
  }

  dynamic "statement" {
    for_each = length(local.elsewhere) > 0 ? ["this"] : []

    content {
      sid       = "AskOtherPlaces"
      actions   = ["lambda:InvokeFunction"]
      resources = distinct([for at in values(local.elsewhere) : at.relay])
    }
  }
}

# Of a ladder in several places, home's validate and rollback ask the relay about targets elsewhere.
data "aws_iam_policy_document" "asker" {
  for_each = toset(length(local.elsewhere) > 0 ? ["rollback", "validate"] : [])

  source_policy_documents = [data.aws_iam_policy_document.pipeline[each.key].json]

  statement {
    sid       = "AskTheRelay"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.function_arns["relay"]]
  }
}

locals {
  policies = merge(
    { for verb in keys(local.functions) : verb => data.aws_iam_policy_document.pipeline[verb].json },
    { relay = data.aws_iam_policy_document.relay.json },
    { for verb, document in data.aws_iam_policy_document.asker : verb => document.json },
  )
}

# Whom this place answers to: the relay of the place where the lowest rung is, and nobody else.
resource "aws_lambda_permission" "home" {
  count = var.home == null ? 0 : 1

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pipeline["relay"].function_name
  principal     = "${local.arn_prefix}:iam::${var.home.account}:role/${var.project}-pipeline-relay"
  statement_id  = "home"
}

resource "aws_iam_role_policy" "pipeline" {
  for_each = local.functions

  name   = "own-resources"
  role   = aws_iam_role.pipeline[each.key].id
  policy = local.policies[each.key]

  # IAM counts no white space. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  lifecycle {
    precondition {
      condition     = length(jsonencode(jsondecode(local.policies[each.key]))) <= 10240
      error_message = "The ladder has too many environments here: ${each.key}'s policy takes ${length(jsonencode(jsondecode(local.policies[each.key])))} of the 10,240 characters that IAM allows a role. Shorten rungs, or make a project of its own for some."
    }
  }
}
