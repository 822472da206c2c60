# Every queue takes the provider 25 seconds to make, and so does every resource beside it that changes one: so policies
# stand in the queues, with the ARNs that the queues are about to have.
locals {
  trigger_queues = merge(
    { for key, each in var.triggers.sqs : key => each if var.trigger == "" },
    { for key in ["this"] : key => merge({ enabled = true, filters = [], queue_arn = [] }, var.queue) if var.trigger == "sqs" },
  )
  own_queues = {
    for key, each in local.trigger_queues : key => merge(each, { name = key == "this" ? local.name : "${local.name}-${key}" })
    if length(each.queue_arn) == 0
  }
  queue_arn_prefix = "${local.arn_prefix}:sqs:${var.region}:${var.account}"
}

data "aws_iam_policy_document" "queue" {
  for_each = toset(flatten([for each in local.own_queues : [each.name, "${each.name}-dead-letters"]]))

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
  for_each = local.own_queues

  name                      = "${each.value.name}-dead-letters"
  message_retention_seconds = 1209600 # 14 days, the longest there is
  policy                    = data.aws_iam_policy_document.queue["${each.value.name}-dead-letters"].json
  sqs_managed_sse_enabled   = true
}

resource "aws_sqs_queue" "this" {
  for_each = local.own_queues

  name                    = each.value.name
  policy                  = data.aws_iam_policy_document.queue[each.value.name].json
  sqs_managed_sse_enabled = true

  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letters[each.key].arn
    maxReceiveCount     = each.value.max_receive_count
  })

  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html: six times the function's timeout.
  # While a batch is collected, its messages are invisible already.
  visibility_timeout_seconds = 6 * var.timeout_seconds + each.value.window_seconds
}

# The mapping names the alias: with the bare function it would run $LATEST, past every release.
resource "aws_lambda_event_source_mapping" "queue" {
  for_each = local.trigger_queues

  batch_size                         = each.value.batch_size
  enabled                            = each.value.enabled
  event_source_arn                   = one(concat(each.value.queue_arn, [for key, queue in aws_sqs_queue.this : queue.arn if key == each.key]))
  function_name                      = aws_lambda_alias.live.arn
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_batching_window_in_seconds = each.value.window_seconds

  dynamic "filter_criteria" {
    for_each = length(each.value.filters) > 0 ? [each.value.filters] : []

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = filter.value
        }
      }
    }
  }

  dynamic "scaling_config" {
    for_each = each.value.maximum_concurrency > 0 ? [each.value.maximum_concurrency] : []

    content {
      maximum_concurrency = scaling_config.value
    }
  }

  # Lambda checks at creation that the role may read the queue.
  depends_on = [aws_iam_role_policy.function]
}
