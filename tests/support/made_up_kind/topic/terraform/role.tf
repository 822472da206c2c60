data "aws_iam_policy_document" "function" {
  dynamic "statement" {
    for_each = var.trigger == "topic" ? ["this"] : []

    content {
      sid       = "ReadOwnTopic"
      actions   = ["sns:GetTopicAttributes"]
      resources = ["${local.arn_prefix}:sns:${var.region}:${var.account}:${local.name}"]
    }
  }
}
