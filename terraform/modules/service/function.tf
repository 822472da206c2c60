locals {
  # The names that stepladder derives too (names.py); a test compares the two.
  log_group = "/aws/lambda/${local.name}"
  name      = join("-", compact([var.project, var.environment, var.function]))

  # ARNs are built, not read, wherever a policy holds them: so the plan of a pull request shows every policy in full.
  arn_prefix   = "arn:${data.aws_partition.this.partition}"
  function_arn = "${local.arn_prefix}:lambda:${var.region}:${var.account}:function:${local.name}"
  alias_arn    = "${local.function_arn}:live"
}

data "aws_partition" "this" {}

# Terraform owns the configuration, releases own the image and the versions: so `publish` is off, or a change of the
# configuration would publish a version that no release knows (the decision is recorded as "who publishes versions").
resource "aws_lambda_function" "this" {
  function_name                  = local.name
  architectures                  = [var.architecture]
  image_uri                      = var.image_uri
  memory_size                    = var.memory_mb
  package_type                   = "Image"
  publish                        = false
  reserved_concurrent_executions = var.reserved_concurrency
  role                           = aws_iam_role.function.arn
  timeout                        = var.timeout_seconds

  dynamic "environment" {
    for_each = length(var.environment_variables) + length(var.secrets) > 0 ? [merge(var.environment_variables, var.secrets)] : []

    content {
      variables = environment.value
    }
  }

  ephemeral_storage {
    size = var.ephemeral_storage_mb
  }

  dynamic "image_config" {
    for_each = var.handler == "" ? [] : [var.handler]

    content {
      command = [image_config.value]
    }
  }

  logging_config {
    application_log_level = var.log_level
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.function.name
    system_log_level      = "INFO"
  }

  tracing_config {
    mode = var.tracing
  }

  dynamic "vpc_config" {
    for_each = local.in_vpc ? [var.vpc] : []

    content {
      ipv6_allowed_for_dual_stack = vpc_config.value.ipv6
      security_group_ids          = vpc_config.value.security_groups
      subnet_ids                  = vpc_config.value.subnets
    }
  }

  lifecycle {
    ignore_changes = [image_uri]
  }

  # The function may be called as soon as it is there, and Lambda checks at creation that it may reach its VPC.
  depends_on = [
    aws_iam_role_policy.function,
    aws_iam_role_policy.network,
    aws_iam_role_policy.permissions,
    aws_iam_role_policy.secrets,
    aws_iam_role_policy_attachment.managed,
  ]
}
