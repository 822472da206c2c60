locals {
  trigger_lists        = toset(length(var.triggers.dynamodb) > 0 ? ["this"] : [])
  trigger_destinations = flatten([for each in var.triggers.dynamodb : each.on_failure_arn])
}

# The mapping names the alias: with the bare function it would run $LATEST, past every release.
resource "aws_lambda_event_source_mapping" "dynamodb" {
  for_each = var.triggers.dynamodb

  batch_size                         = each.value.batch_size
  bisect_batch_on_function_error     = each.value.bisect
  enabled                            = each.value.enabled
  event_source_arn                   = each.value.stream_arn
  function_name                      = aws_lambda_alias.live.arn
  function_response_types            = ["ReportBatchItemFailures"]
  maximum_batching_window_in_seconds = each.value.window_seconds
  maximum_record_age_in_seconds      = each.value.maximum_age_seconds > 0 ? each.value.maximum_age_seconds : -1
  maximum_retry_attempts             = each.value.retries
  parallelization_factor             = each.value.parallelization_factor
  starting_position                  = each.value.starting_position

  dynamic "destination_config" {
    for_each = each.value.on_failure_arn

    content {
      on_failure {
        destination_arn = destination_config.value
      }
    }
  }

  dynamic "filter_criteria" {
    for_each = length(each.value.filters) > 0 ? [each.value.filters] : []

    content {
      dynamic "filter" {
        for_each = filter_criteria.value

        content {
          pattern = filter.value
        }
      }
    }
  }

  # Lambda checks at creation that the role may read the stream.
  depends_on = [aws_iam_role_policy.function]
}
