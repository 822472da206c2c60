# Every queue takes the provider 25 seconds to make, and so does every resource beside it that changes one: so policies
# stand in the queues, with the ARNs that the queues are about to have.
locals {
  queue_names = {
    dead_letters = "${local.name}-dead-letters"
    messages     = local.name
  }
  queue_arn_prefix = "${local.arn_prefix}:sqs:${var.region}:${var.account}"
}

data "aws_iam_policy_document" "queue" {
  for_each = { for key, name in local.queue_names : key => name if var.trigger == "sqs" }

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = ["${local.queue_arn_prefix}:${each.value}"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_sqs_queue" "dead_letters" {
  for_each = toset(var.trigger == "sqs" ? ["this"] : [])

  name                      = local.queue_names.dead_letters
  message_retention_seconds = 1209600 # 14 days, the longest there is
  policy                    = data.aws_iam_policy_document.queue["dead_letters"].json
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "this" {
  for_each = aws_sqs_queue.dead_letters

  name                    = local.queue_names.messages
  policy                  = data.aws_iam_policy_document.queue["messages"].json
  sqs_managed_sse_enabled = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = each.value.arn
    maxReceiveCount     = var.queue.max_receive_count
  })

  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: six times the function's timeout.
  # While a batch is collected, its messages are invisible already.
  visibility_timeout_seconds = 6 * var.timeout_seconds + var.queue.window_seconds
}

# The mapping names the alias: with the bare function it would run $LATEST, past every release.
resource "aws_lambda_event_source_mapping" "queue" {
  for_each = aws_sqs_queue.this

  batch_size                         = var.queue.batch_size
  event_source_arn                   = each.value.arn
  function_name                      = aws_lambda_alias.live.arn
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_batching_window_in_seconds = var.queue.window_seconds

  dynamic "scaling_config" {
    for_each = var.queue.maximum_concurrency > 0 ? [var.queue.maximum_concurrency] : []

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  # Lambda checks at creation that the role may read the queue.
  depends_on = [aws_iam_role_policy.function]
}
