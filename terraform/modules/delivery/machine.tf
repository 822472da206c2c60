locals {
  # One history holds 25,000 events: those of ten targets of a rung. Above it each target is an execution of its own.
  # https://docs.aws.amazon.com/step-functions/latest/dg/state-map-distributed.html
  inline_targets = 10
  is_distributed = local.many && var.home == null && max([for rung in var.rungs : length(rung)]...) * local.functions_of_each > local.inline_targets

  definition = templatefile("${path.module}/promotion.asl.json", {
    hook_name    = aws_lambda_function.pipeline["verify"].function_name
    ledger_table = local.ledger_table
    partition    = data.aws_partition.current.partition # a task of another one ends the execution
    project      = var.project                          # in subjects, of which SNS takes 100 characters
    relay_arn    = aws_lambda_function.pipeline["relay"].qualified_arn
    rollback_arn = aws_lambda_function.pipeline["rollback"].qualified_arn
    topic_arn    = aws_sns_topic.promotion.arn
    validate_arn = aws_lambda_function.pipeline["validate"].qualified_arn
    verify_arn   = aws_lambda_function.pipeline["verify"].qualified_arn
  })

  # The same states, in both Maps over targets; a label makes the ARNs of a Map Run's executions known.
  distributed = replace(
    replace(
      replace(
        local.definition,
        "/(\"ItemsPath\": \"\\$\\.rung\\.targets\",\\s*\"MaxConcurrency\": )10/",
        "\"Label\": \"release\", $${1}100",
      ),
      "/(\"ItemsPath\": \"\\$\\.targets\",\\s*\"MaxConcurrency\": )10/",
      "\"Label\": \"finish\", $${1}20",
    ),
    "/(\"ProcessorConfig\": \\{\"Mode\": )\"INLINE\"(\\},\\s*\"StartAt\": \"(HasTargetRelease|WasReleasedByChild)\")/",
    "$${1}\"DISTRIBUTED\", \"ExecutionType\": \"STANDARD\"$${2}",
  )
}

# Standard, not Express: a promotion waits for hours, is started exactly once and can be redriven.
resource "aws_sfn_state_machine" "promotion" {
  name     = "${var.project}-promotion"
  publish  = true
  role_arn = aws_iam_role.promotion.arn
  type     = "STANDARD"

  definition = local.is_distributed ? local.distributed : local.definition

  # Payloads hold smoke cases' answers: what happened is logged, not with what.
  logging_configuration {
    include_execution_data = false
    level                  = "ERROR"
    log_destination        = "${aws_cloudwatch_log_group.promotion.arn}:*"
  }

  tracing_configuration {
    enabled = true
  }

  depends_on = [aws_iam_role_policy.promotion]
}

# Executions are started on the alias, and keep the version that they began with.
resource "aws_sfn_alias" "live" {
  name = "live"

  routing_configuration {
    state_machine_version_arn = aws_sfn_state_machine.promotion.state_machine_version_arn
    weight                    = 100
  }
}

# The prefix keeps the log group's resource policy from growing with every state machine.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
resource "aws_cloudwatch_log_group" "promotion" {
  name              = "/aws/vendedlogs/states/${var.project}-promotion"
  retention_in_days = var.log_retention_days
}

data "aws_iam_policy_document" "assumed_by_states" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account]
    }

    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = ["${local.arn_prefix}:states:${var.region}:${var.account}:stateMachine:${var.project}-promotion*"]
    }
  }
}

resource "aws_iam_role" "promotion" {
  name                 = "${var.project}-promotion${local.role_suffix}"
  description          = "What the promotion of ${var.project} may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_states.json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "promotion" {
  statement {
    sid       = "CallThePipeline"
    actions   = ["lambda:InvokeFunction"]
    resources = [for verb in keys(local.functions) : "${local.arn_prefix}:lambda:${var.region}:${var.account}:function:${var.project}-pipeline-${verb}:*"]
  }

  statement {
    sid       = "Deploy"
    actions   = ["codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:ListDeployments"]
    resources = local.target_deployment_groups
  }

  # CreateDeployment reads the configuration and registers the revision: both are asked of the caller.
  statement {
    sid     = "ReadDeploymentConfigurations"
    actions = ["codedeploy:GetDeploymentConfig"]
    resources = [
      for name in concat(["CodeDeployDefault.Lambda*"], [for environment in local.environments : "${var.project}-${environment}-*"]) :
      "${local.arn_prefix}:codedeploy:${var.region}:${var.account}:deploymentconfig:${name}"
    ]
  }

  statement {
    sid     = "RegisterRevisions"
    actions = ["codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision"]
    resources = [
      for name in local.targets : "${local.arn_prefix}:codedeploy:${var.region}:${var.account}:application:${name}"
    ]
  }

  # Releases and what is current; questions to people; digests that failed. A transaction's puts are asked one by one.
  statement {
    sid       = "WriteTheLedger"
    actions   = ["dynamodb:PutItem"]
    resources = [local.ledger_table_arn]

    condition {
      test     = "ForAllValues:StringLike"
      variable = "dynamodb:LeadingKeys"
      values   = concat(["climb#*", "digest#*"], local.ledger_environments)
    }

    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  # Whether a put of a transaction carries dynamodb:LeadingKeys is stated nowhere. This statement allows it either way:
  # without Null, ForAllValues is true of a request that names no key. Only transactions get it.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
  statement {
    sid       = "WriteTheLedgerInTransactions"
    actions   = ["dynamodb:PutItem"]
    resources = [local.ledger_table_arn]

    condition {
      test     = local.many ? "ForAllValues:StringLike" : "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = local.ledger_environments
    }

    condition {
      test     = "ForAnyValue:StringEquals"
      variable = "dynamodb:EnclosingOperation"
      values   = ["TransactWriteItems"]
    }
  }

  statement {
    sid       = "GiveLocksBack"
    actions   = ["dynamodb:DeleteItem"]
    resources = [local.ledger_table_arn]

    condition {
      test     = local.many ? "ForAllValues:StringLike" : "ForAllValues:StringEquals"
      variable = "dynamodb:LeadingKeys"
      values   = local.ledger_environments
    }

    condition {
      test     = "Null"
      variable = "dynamodb:LeadingKeys"
      values   = ["false"]
    }
  }

  # Where a rung has more targets than one history holds, a Map runs as child executions of this machine, which it starts
  # itself. https://docs.aws.amazon.com/step-functions/latest/dg/iam-policies-eg-dist-map.html
  dynamic "statement" {
    for_each = local.many ? ["this"] : []

    content {
      sid       = "StartChildren"
      actions   = ["states:StartExecution"]
      resources = [local.machine_arn]
    }
  }

  dynamic "statement" {
    for_each = local.many ? ["this"] : []

    content {
      sid       = "EndChildren"
      actions   = ["states:DescribeExecution", "states:StopExecution"]
      resources = concat([local.executions_arn], local.children_arns)
    }
  }

  dynamic "statement" {
    for_each = local.many ? ["this"] : []

    content {
      sid       = "RedriveChildren"
      actions   = ["states:RedriveExecution"]
      resources = local.children_arns
    }
  }

  statement {
    sid       = "Announce"
    actions   = ["sns:Publish"]
    resources = ["${local.arn_prefix}:sns:${var.region}:${var.account}:${var.project}-promotion"]
  }

  # Log deliveries and traces have no resources to name: https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
  statement {
    sid = "WriteLogsAndTraces"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
      "xray:GetSamplingRules",
      "xray:GetSamplingTargets",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "promotion" {
  name   = "climb"
  role   = aws_iam_role.promotion.id
  policy = data.aws_iam_policy_document.promotion.json

  lifecycle {
    precondition {
      condition     = length(jsonencode(jsondecode(data.aws_iam_policy_document.promotion.json))) <= 10240
      error_message = "The ladder has too many environments here: the promotion's policy takes ${length(jsonencode(jsondecode(data.aws_iam_policy_document.promotion.json)))} of the 10,240 characters that IAM allows a role. Shorten rungs, or make a project of its own for some."
    }
  }
}
