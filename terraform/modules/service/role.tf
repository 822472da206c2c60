data "aws_iam_policy_document" "assumed_by_lambda" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "function" {
  name                 = "${local.name}-function"
  description          = "What ${local.name} may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_lambda.json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "function" {
  # The log group is ours, so the function may not create one.
  statement {
    sid       = "WriteOwnLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.arn_prefix}:logs:${var.region}:${var.account}:log-group:${local.log_group}:log-stream:*"]
  }

  dynamic "statement" {
    for_each = local.trigger_queues

    content {
      sid       = statement.key == "this" ? "ReadOwnQueue" : null
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = [one(concat(statement.value.queue_arn, [for key, queue in local.own_queues : "${local.queue_arn_prefix}:${queue.name}" if key == statement.key]))]
    }
  }

  dynamic "statement" {
    for_each = var.triggers.dynamodb

    content {
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = [statement.value.stream_arn]
    }
  }

  # Lambda asks for this one too, which has no resource to name:
  # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazondynamodb.html
  dynamic "statement" {
    for_each = local.trigger_lists

    content {
      sid       = "ListStreams"
      actions   = ["dynamodb:ListStreams"]
      resources = ["*"]
    }
  }

  # A queue or a topic: an action on the ARN of the other service allows nothing.
  dynamic "statement" {
    for_each = local.trigger_destinations

    content {
      actions   = ["sns:Publish", "sqs:SendMessage"]
      resources = [statement.value]
    }
  }

  # X-Ray has no resources to name: https://docs.aws.amazon.com/xray/latest/devguide/security_iam_service-with-iam.html
  dynamic "statement" {
    for_each = var.tracing == "Active" ? ["this"] : []

    content {
      sid       = "WriteTraces"
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"]
    }
  }
}

resource "aws_iam_role_policy" "function" {
  name   = "own-resources"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.function.json
}
