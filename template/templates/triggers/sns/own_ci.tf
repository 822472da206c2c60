# What CI jobs may do with the topic that terraform/service/topic.tf makes: their roles know nothing of it. A job that plans
# reads it, one that deploys makes and changes it, and only that of previews destroys its own. Without roles nothing is made.
locals {
  topic_reads = [
    "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic",
    "sns:ListTagsForResource",
  ]
  topic_writes = [
    "sns:CreateTopic", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource",
    "sns:Unsubscribe", "sns:UntagResource",
  ]
  topic_deletes = ["sns:DeleteTopic"]
}

data "aws_partition" "topic" {}

resource "aws_iam_role_policy" "topic" {
  # plan-staging, deploy-staging and so on, where an environment's name has no hyphen; and one role for all previews.
  for_each = {
    for role in keys(module.foundation.ci_role_arns) : role => role == "preview" ? "pr-*" : split("-", role)[1]
    if can(regex("^((plan|deploy)-|preview$)", role))
  }

  name = "topic"
  role = "${var.project}-ci-${each.key}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = concat(local.topic_reads, startswith(each.key, "plan-") ? [] : local.topic_writes, each.key == "preview" ? local.topic_deletes : [])
      Resource = ["arn:${data.aws_partition.topic.partition}:sns:${var.region}:${var.account}:${var.project}-${each.value}-guests"]
    }]
  })
}
