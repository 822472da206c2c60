# Runs the project's own checks of its smoke cases (docs/reference/smoke-cases.md). Their code is whatever a bundle holds, so
# its role may write its own log and nothing else.
locals {
  has_checks = contains(keys(var.packages), "check")
  check_name = "${var.project}-pipeline-smoke-check"
  check_arn  = "${local.arn_prefix}:lambda:${var.region}:${var.account}:function:${local.check_name}"
}

resource "aws_iam_role" "smoke_check" {
  count = local.has_checks ? 1 : 0

  name                 = "${local.check_name}${local.role_suffix}"
  description          = "What smoke-check of ${var.project}'s promotion pipeline may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_lambda.json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "smoke_check" {
  count = local.has_checks ? 1 : 0

  statement {
    sid       = "WriteOwnLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.arn_prefix}:logs:${var.region}:${var.account}:log-group:/aws/lambda/${local.check_name}:log-stream:*"]
  }
}

resource "aws_iam_role_policy" "smoke_check" {
  count = local.has_checks ? 1 : 0

  name   = "own-resources"
  role   = aws_iam_role.smoke_check[0].id
  policy = data.aws_iam_policy_document.smoke_check[0].json
}

resource "aws_cloudwatch_log_group" "smoke_check" {
  count = local.has_checks ? 1 : 0

  name              = "/aws/lambda/${local.check_name}"
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_function" "smoke_check" {
  count = local.has_checks ? 1 : 0

  architectures    = ["arm64"]
  description      = "smoke-check of ${var.project}'s promotion pipeline"
  function_name    = local.check_name
  handler          = "check.handler"
  memory_size      = 512
  package_type     = "Zip"
  role             = aws_iam_role.smoke_check[0].arn
  runtime          = "python3.13"
  s3_bucket        = local.artifacts_bucket
  s3_key           = var.packages["check"].key
  source_code_hash = var.packages["check"].sha256
  timeout          = 30

  depends_on = [aws_cloudwatch_log_group.smoke_check, aws_iam_role_policy.smoke_check]
}
