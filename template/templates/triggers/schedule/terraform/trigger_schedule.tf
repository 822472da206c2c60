locals {
  trigger_schedules = merge(
    { for key, each in var.triggers.schedule : key => each if var.trigger == "" },
    { for key in ["this"] : key => { enabled = true, expression = var.schedule, input = null, timezone = "UTC" } if var.trigger == "schedule" },
  )

  # One role serves all of them: each may do the same.
  schedule_role = toset(length(local.trigger_schedules) > 0 ? ["this"] : [])

  # What EventBridge Scheduler delivers by itself, said, so that nothing rests on a shape that no page of AWS shows.
  # jsonencode writes < and > as escapes, in which Scheduler would not know its own keywords:
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-schedule-context-attributes.html
  schedule_event = replace(replace(jsonencode({
    account     = var.account
    detail      = "{}"
    detail-type = "Scheduled Event"
    id          = "<aws.scheduler.execution-id>"
    region      = var.region
    resources   = ["<aws.scheduler.schedule-arn>"]
    source      = "aws.scheduler"
    time        = "<aws.scheduler.scheduled-time>"
    version     = "0"
  }), "\\u003c", "<"), "\\u003e", ">")
}

resource "aws_scheduler_schedule" "this" {
  for_each = local.trigger_schedules

  name                         = each.key == "this" ? local.name : "${local.name}-${each.key}"
  description                  = "Calls ${local.name} through its alias"
  schedule_expression          = each.value.expression
  schedule_expression_timezone = each.value.timezone
  state                        = each.value.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_alias.live.arn
    role_arn = aws_iam_role.schedule["this"].arn

    input = coalesce(each.value.input, local.schedule_event)

    # A call that could not be made within its hour is late, and the next one is due.
    retry_policy {
      maximum_event_age_in_seconds = 3600
      maximum_retry_attempts       = 3
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}

# https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
data "aws_iam_policy_document" "assumed_by_scheduler" {
  for_each = local.schedule_role

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = ["${local.arn_prefix}:scheduler:${var.region}:${var.account}:schedule-group/default"]
    }
  }
}

resource "aws_iam_role" "schedule" {
  for_each = data.aws_iam_policy_document.assumed_by_scheduler

  name                 = "${local.name}-schedule"
  description          = "What the schedule of ${local.name} may do"
  assume_role_policy   = each.value.json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "schedule" {
  for_each = local.schedule_role

  statement {
    sid       = "CallTheAlias"
    actions   = ["lambda:InvokeFunction"]
    resources = [local.alias_arn]
  }
}

resource "aws_iam_role_policy" "schedule" {
  for_each = aws_iam_role.schedule

  name   = "call-the-alias"
  role   = each.value.id
  policy = data.aws_iam_policy_document.schedule[each.key].json
}
