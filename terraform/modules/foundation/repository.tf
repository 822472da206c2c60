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

# The images of all previews. A job of a pull request pushes here, and nobody reviewed its code: in the repository above it
# could put an image where the next deploy of the lowest rung looks for its own.
locals {
  previews = toset(var.previews ? ["this"] : [])
}

resource "aws_ecr_repository" "previews" {
  for_each = local.previews

  name                 = "${var.project}-pr-images"
  image_tag_mutability = "IMMUTABLE"
  force_delete         = true # nothing that is promoted is here

  encryption_configuration {
    encryption_type = "AES256"
  }

  image_scanning_configuration {
    scan_on_push = true
  }
}

# More than all previews can serve at once, so that none loses the image that it runs.
resource "aws_ecr_lifecycle_policy" "previews" {
  for_each = local.previews

  repository = aws_ecr_repository.previews[each.key].name
  policy = jsonencode({
    rules = [{
      action       = { type = "expire" }
      description  = "Keep the newest images of previews"
      rulePriority = 1
      # Images have tags. What refers to them has none: it isn't counted, and ECR deletes it with its image.
      selection = { countNumber = 3000, countType = "imageCountMoreThan", tagPatternList = ["*"], tagStatus = "tagged" }
    }]
  })
}

data "aws_iam_policy_document" "previews_pulled_by_lambda" {
  for_each = local.previews

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
      values   = ["arn:${data.aws_partition.this.partition}:lambda:${var.region}:${var.account}:function:${var.project}-pr-*"]
    }
  }
}

resource "aws_ecr_repository_policy" "previews" {
  for_each = local.previews

  repository = aws_ecr_repository.previews[each.key].name
  policy     = data.aws_iam_policy_document.previews_pulled_by_lambda[each.key].json
}

data "aws_partition" "this" {}
