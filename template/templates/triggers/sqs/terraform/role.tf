data "aws_iam_policy_document" "function" {
  dynamic "statement" {
    for_each = local.trigger_queues

    content {
      sid       = statement.key == "this" ? "ReadOwnQueue" : null
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = [one(concat(statement.value.queue_arn, [for key, queue in local.own_queues : "${local.queue_arn_prefix}:${queue.name}" if key == statement.key]))]
    }
  }
}
