data "aws_iam_policy_document" "function" {
  dynamic "statement" {
    for_each = var.triggers.topic

    content {
      sid       = statement.key == "this" ? "ReadOwnTopic" : null
      actions   = ["sns:GetTopicAttributes"]
      resources = ["${local.arn_prefix}:sns:${var.region}:${var.account}:${local.name}${statement.key == "this" ? "" : "-${statement.key}"}"]
    }
  }
}
