# What becomes of asynchronous calls of the alias. Lambda sends the records with the function's role, and checks when
# the configuration is made that it may: https://docs.aws.amazon.com/lambda/latest/dg/invocation-async-retain-records.html
locals {
  # Whether there is one is known before its ARN is: so the lists decide what is made, and no ARN.
  destinations = merge(
    { for index, arn in var.async.on_failure : "on_failure" => arn },
    { for index, arn in var.async.on_success : "on_success" => arn },
  )
  handles_async = length(local.destinations) > 0 || var.async.retries != 2 || var.async.maximum_age_seconds != 21600
  record_actions = {
    events = ["events:PutEvents"]
    lambda = ["lambda:InvokeFunction"]
    s3     = ["s3:ListBucket", "s3:PutObject"]
    sns    = ["sns:Publish"]
    sqs    = ["sqs:SendMessage"]
  }
}

data "aws_iam_policy_document" "destinations" {
  for_each = toset(length(local.destinations) > 0 ? ["this"] : [])

  dynamic "statement" {
    for_each = local.destinations

    content {
      sid     = statement.key == "on_failure" ? "SendRecordsOfFailures" : "SendRecordsOfSuccesses"
      actions = local.record_actions[split(":", statement.value)[2]]

      # Lambda takes a bucket only when the role may write all of it, though the records are below aws/lambda/async/.
      resources = concat(
        [statement.value],
        startswith(statement.value, "${local.arn_prefix}:s3:") ? ["${statement.value}/*"] : [],
      )
    }
  }
}

resource "aws_iam_role_policy" "destinations" {
  for_each = data.aws_iam_policy_document.destinations

  name   = "send-records"
  role   = aws_iam_role.function.id
  policy = each.value.json

  # A destination that is left is used until the configuration has changed.
  lifecycle {
    create_before_destroy = true
  }
}

resource "aws_lambda_function_event_invoke_config" "live" {
  for_each = toset(local.handles_async ? ["this"] : [])

  function_name                = aws_lambda_function.this.function_name
  maximum_event_age_in_seconds = var.async.maximum_age_seconds
  maximum_retry_attempts       = var.async.retries
  qualifier                    = aws_lambda_alias.live.name

  dynamic "destination_config" {
    for_each = length(local.destinations) > 0 ? [local.destinations] : []

    content {
      dynamic "on_failure" {
        for_each = contains(keys(destination_config.value), "on_failure") ? [destination_config.value.on_failure] : []

        content {
          destination = on_failure.value
        }
      }

      dynamic "on_success" {
        for_each = contains(keys(destination_config.value), "on_success") ? [destination_config.value.on_success] : []

        content {
          destination = on_success.value
        }
      }
    }
  }

  depends_on = [aws_iam_role_policy.destinations]
}
