# What CI jobs may do with the topic that terraform/service/topic.tf makes: their roles know nothing of it. A job that plans
# reads it, one that deploys makes and changes it, and none destroys it. Where CI has no roles, nothing is made.
locals {
  topic_reads = [
    "sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic",
    "sns:ListTagsForResource",
  ]
  topic_writes = [
    "sns:CreateTopic", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe", "sns:TagResource",
    "sns:Unsubscribe", "sns:UntagResource",
  ]
}

data "aws_partition" "topic" {}

resource "aws_iam_role_policy" "topic" {
  # plan-staging, deploy-staging and so on: an environment's name has no hyphen.
  for_each = { for role in keys(module.foundation.ci_role_arns) : role => split("-", role)[1] if can(regex("^(plan|deploy)-", role)) }

  name = "topic"
  role = "${var.project}-ci-${each.key}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = concat(local.topic_reads, startswith(each.key, "deploy-") ? local.topic_writes : [])
      Resource = ["arn:${data.aws_partition.topic.partition}:sns:${var.region}:${var.account}:${var.project}-${each.value}-guests"]
    }]
  })
}
