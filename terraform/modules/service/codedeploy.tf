locals {
  # What CodeDeploy offers under these names needs no configuration of ours (an account may hold few, and is throttled
  # while it makes them): https://docs.aws.amazon.com/codedeploy/latest/userguide/deployment-configurations.html
  offered_deployments = merge(
    { "all-at-once" = "CodeDeployDefault.LambdaAllAtOnce" },
    { for minutes in [5, 10, 15, 30] : "canary-10-${minutes}" => "CodeDeployDefault.LambdaCanary10Percent${minutes}Minutes" },
    { for minutes in [1, 2, 3, 10] : "linear-10-${minutes}" => "CodeDeployDefault.LambdaLinear10PercentEvery${minutes}Minute${minutes == 1 ? "" : "s"}" },
  )
  deployment_key  = var.deployment.strategy == "all-at-once" ? "all-at-once" : "${var.deployment.strategy}-${var.deployment.percentage}-${var.deployment.interval_minutes}"
  own_deployment  = !contains(keys(local.offered_deployments), local.deployment_key)
  deployment_name = local.own_deployment ? aws_codedeploy_deployment_config.this["this"].deployment_config_name : local.offered_deployments[local.deployment_key]
}

resource "aws_codedeploy_app" "this" {
  name             = local.name
  compute_platform = "Lambda"
}

resource "aws_codedeploy_deployment_config" "this" {
  for_each = toset(local.own_deployment ? ["this"] : [])

  # A configuration can't be changed, only replaced while a group uses it: so what it says is in its name.
  deployment_config_name = "${local.name}-${local.deployment_key}"
  compute_platform       = "Lambda"

  traffic_routing_config {
    type = var.deployment.strategy == "canary" ? "TimeBasedCanary" : "TimeBasedLinear"

    dynamic "time_based_canary" {
      for_each = var.deployment.strategy == "canary" ? [var.deployment] : []

      content {
        interval   = time_based_canary.value.interval_minutes
        percentage = time_based_canary.value.percentage
      }
    }

    dynamic "time_based_linear" {
      for_each = var.deployment.strategy == "linear" ? [var.deployment] : []

      content {
        interval   = time_based_linear.value.interval_minutes
        percentage = time_based_linear.value.percentage
      }
    }
  }

  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_codedeploy_deployment_group" "live" {
  app_name               = aws_codedeploy_app.this.name
  deployment_config_name = local.deployment_name
  deployment_group_name  = aws_lambda_alias.live.name
  service_role_arn       = aws_iam_role.codedeploy.arn

  alarm_configuration {
    alarms = concat(
      [
        aws_cloudwatch_metric_alarm.errors.alarm_name,
        aws_cloudwatch_metric_alarm.latency.alarm_name,
        aws_cloudwatch_metric_alarm.throttles.alarm_name,
      ],
      var.gate_alarms,
    )
    enabled                   = true
    ignore_poll_alarm_failure = false
  }

  # Without a rollback on request, a deployment stopped by hand leaves the alias weighted, and every later one fails.
  auto_rollback_configuration {
    enabled = true
    events  = ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
  }

  deployment_style {
    deployment_option = "WITH_TRAFFIC_CONTROL"
    deployment_type   = "BLUE_GREEN"
  }

  # A deployment that began before its role may act would fail.
  depends_on = [aws_iam_role_policy.codedeploy]
}

# https://docs.aws.amazon.com/codedeploy/latest/userguide/security_confused_deputy.html
data "aws_iam_policy_document" "assumed_by_codedeploy" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codedeploy.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["${local.arn_prefix}:codedeploy:${var.region}:${var.account}:deploymentgroup:${local.name}/live"]
    }
  }
}

resource "aws_iam_role" "codedeploy" {
  name                 = "${local.name}-codedeploy"
  description          = "What CodeDeploy may do to shift the traffic of ${local.name}"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_codedeploy.json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "codedeploy" {
  statement {
    sid       = "ShiftTheAlias"
    actions   = ["lambda:GetAlias", "lambda:UpdateAlias"]
    resources = [local.function_arn, local.alias_arn]
  }

  # This action is authorised against aliases and versions, never against the function itself.
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
  statement {
    sid       = "ReadProvisionedConcurrency"
    actions   = ["lambda:GetProvisionedConcurrencyConfig"]
    resources = ["${local.function_arn}:*"]
  }

  # The one hook: it belongs to the project's pipeline, and may not be there yet.
  statement {
    sid       = "CallTheHook"
    actions   = ["lambda:InvokeFunction"]
    resources = ["${local.arn_prefix}:lambda:${var.region}:${var.account}:function:${var.project}-pipeline-verify"]
  }

  # DescribeAlarms is authorised against the list of alarms, not against each of them.
  statement {
    sid       = "ReadAlarms"
    actions   = ["cloudwatch:DescribeAlarms"]
    resources = ["${local.arn_prefix}:cloudwatch:${var.region}:${var.account}:alarm:*"]
  }
}

resource "aws_iam_role_policy" "codedeploy" {
  name   = "shift-traffic"
  role   = aws_iam_role.codedeploy.id
  policy = data.aws_iam_policy_document.codedeploy.json
}
