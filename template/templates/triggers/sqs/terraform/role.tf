data "aws_iam_policy_document" "function" {
  dynamic "statement" {
    for_each = var.trigger == "sqs" ? ["this"] : []

    content {
      sid       = "ReadOwnQueue"
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
      resources = ["${local.queue_arn_prefix}:${local.queue_names.messages}"]
    }
  }
}
