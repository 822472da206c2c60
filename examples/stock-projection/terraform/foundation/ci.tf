# What jobs of CI may do with the two tables: their roles' own policies don't know them. Without `ci`, nothing is made.
locals {
  tables_environments = length(try(var.ci.issuers, {})) > 0 ? keys(var.ci.environments) : []
  tables_read = [
    "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
    "dynamodb:ListTagsOfResource",
  ]
  tables_write = ["dynamodb:CreateTable", "dynamodb:TagResource", "dynamodb:UntagResource", "dynamodb:UpdateTable"]
}

resource "aws_iam_role_policy" "tables" {
  for_each = merge(
    { for environment in local.tables_environments : "plan-${environment}" => environment },
    { for environment in local.tables_environments : "deploy-${environment}" => environment },
  )

  name = "tables"
  role = "${var.project}-ci-${each.key}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = concat(local.tables_read, startswith(each.key, "deploy-") ? local.tables_write : [])
      Resource = [
        for table in ["movements", "stock"] :
        "arn:aws:dynamodb:${var.region}:${var.account}:table/${var.project}-${each.value}-${table}"
      ]
    }]
  })

  depends_on = [module.foundation]
}
