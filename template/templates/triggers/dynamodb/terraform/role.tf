data "aws_iam_policy_document" "function" {
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
}
