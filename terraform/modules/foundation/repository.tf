# One repository for all environments, so that one digest is promoted.
resource "aws_ecr_repository" "this" {
  name                 = var.project
  image_tag_mutability = "IMMUTABLE"
  force_delete         = false

  encryption_configuration {
    encryption_type = "AES256"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

# No lifecycle rule: one by count or age can't know what is live, and a function whose image is gone stops. Images go by
# the ledger instead (`inv image.prune`).

# Exactly the environments' functions: `<project>-*` would let the project `<project>-x` in. No name holds a colon, so
# the second of each stands for the function's versions and aliases only. The third is of functions beside the own one.
locals {
  function_arns = flatten([
    for environment in var.environments : [
      for suffix in concat(["", ":*"], var.functions ? ["-*"] : []) :
      "arn:${data.aws_partition.this.partition}:lambda:${var.region}:${var.account}:function:${var.project}-${environment}${suffix}"
    ]
  ])
}

# Lambda adds such a statement by itself when the caller may change the policy, and fails when not: so it stands here.
data "aws_iam_policy_document" "pulled_by_lambda" {
  statement {
    sid     = "PulledByLambda"
    actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringLike"
      variable = "aws:SourceArn"
      values   = local.function_arns
    }
  }
}

resource "aws_ecr_repository_policy" "this" {
  repository = aws_ecr_repository.this.name
  policy     = data.aws_iam_policy_document.pulled_by_lambda.json
}

data "aws_partition" "this" {}
