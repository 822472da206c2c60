# What CI jobs may do with the table that terraform/service/table.tf makes: their roles know nothing of it. A job that plans
# reads it, one that deploys makes and changes it, and only that of previews destroys its own. Without roles nothing is made.
locals {
  table_reads = [
    "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
    "dynamodb:ListTagsOfResource",
  ]
  table_writes = [
    "dynamodb:CreateTable", "dynamodb:TagResource", "dynamodb:UntagResource", "dynamodb:UpdateContinuousBackups",
    "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive",
  ]
  table_deletes = ["dynamodb:DeleteTable"]
}

data "aws_partition" "table" {}

resource "aws_iam_role_policy" "table" {
  # plan-staging, deploy-staging and so on, where an environment's name has no hyphen; and one role for all previews.
  for_each = {
    for role in keys(module.foundation.ci_role_arns) : role => role == "preview" ? "pr-*" : split("-", role)[1]
    if can(regex("^((plan|deploy)-|preview$)", role))
  }

  name = "table"
  role = "${var.project}-ci-${each.key}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect   = "Allow"
      Action   = concat(local.table_reads, startswith(each.key, "plan-") ? [] : local.table_writes, each.key == "preview" ? local.table_deletes : [])
      Resource = ["arn:${data.aws_partition.table.partition}:dynamodb:${var.region}:${var.account}:table/${var.project}-${each.value}-guests"]
    }]
  })
}
