resource "aws_sqs_queue" "dead_letters" {
  for_each = toset(var.trigger == "sqs" ? ["this"] : [])

  name                      = "${local.name}-dead-letters"
  message_retention_seconds = 1209600 # 14 days, the longest there is
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "this" {
  for_each = toset(var.trigger == "sqs" ? ["this"] : [])

  name                    = local.name
  sqs_managed_sse_enabled = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters["this"].arn
    maxReceiveCount     = var.queue.max_receive_count
  })

  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: six times the function's timeout
  visibility_timeout_seconds = 6 * var.timeout_seconds
}

resource "aws_sqs_queue_redrive_allow_policy" "dead_letters" {
  for_each = aws_sqs_queue.dead_letters

  queue_url = each.value.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.this["this"].arn]
  })
}

data "aws_iam_policy_document" "queue_tls_only" {
  for_each = merge(
    { for queue in aws_sqs_queue.this : "messages" => queue },
    { for queue in aws_sqs_queue.dead_letters : "dead-letters" => queue },
  )

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["sqs:*"]
    resources = [each.value.arn]

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

resource "aws_sqs_queue_policy" "messages" {
  for_each = aws_sqs_queue.this

  queue_url = each.value.id
  policy    = data.aws_iam_policy_document.queue_tls_only["messages"].json
}

resource "aws_sqs_queue_policy" "dead_letters" {
  for_each = aws_sqs_queue.dead_letters

  queue_url = each.value.id
  policy    = data.aws_iam_policy_document.queue_tls_only["dead-letters"].json
}

# The mapping names the alias: with the bare function it would run $LATEST, past every release.
resource "aws_lambda_event_source_mapping" "queue" {
  for_each = aws_sqs_queue.this

  batch_size              = var.queue.batch_size
  event_source_arn        = each.value.arn
  function_name           = aws_lambda_alias.live.arn
  function_response_types = ["ReportBatchItemFailures"]

  dynamic "scaling_config" {
    for_each = var.queue.maximum_concurrency > 0 ? [var.queue.maximum_concurrency] : []

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  # Lambda checks at creation that the role may read the queue.
  depends_on = [aws_iam_role_policy.function]
}
