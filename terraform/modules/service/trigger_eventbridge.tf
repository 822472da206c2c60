resource "aws_cloudwatch_event_rule" "this" {
  for_each = var.triggers.eventbridge

  name           = each.key == "this" ? local.name : "${local.name}-${each.key}"
  description    = "Calls ${local.name} through its alias"
  event_bus_name = each.value.bus
  event_pattern  = each.value.pattern
  state          = each.value.enabled ? "ENABLED" : "DISABLED"
}

resource "aws_cloudwatch_event_target" "this" {
  for_each = var.triggers.eventbridge

  arn            = aws_lambda_alias.live.arn
  event_bus_name = each.value.bus
  input          = each.value.input
  rule           = aws_cloudwatch_event_rule.this[each.key].name
  target_id      = "alias"

  dynamic "dead_letter_config" {
    for_each = each.value.dead_letter_arn

    content {
      arn = dead_letter_config.value
    }
  }

  retry_policy {
    maximum_event_age_in_seconds = each.value.maximum_age_seconds
    maximum_retry_attempts       = each.value.retries
  }

  # An event may match as soon as there is a target.
  depends_on = [aws_lambda_permission.eventbridge]
}

resource "aws_lambda_permission" "eventbridge" {
  for_each = var.triggers.eventbridge

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "events.amazonaws.com"
  qualifier     = aws_lambda_alias.live.name
  source_arn    = aws_cloudwatch_event_rule.this[each.key].arn
  statement_id  = each.key == "this" ? "EventBridge" : "EventBridge-${each.key}"
}
