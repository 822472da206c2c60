# The alarms watch the alias: `Resource` is <function>:<alias>, without it the metrics of every version and of $LATEST
# mix in. A version's own metrics carry `ExecutedVersion`, whose value no alarm can know beforehand; the new version on
# its own is judged by the promotion, which knows it. No data means no traffic, which is not bad; whether it is enough
# is the promotion's question too.
locals {
  alias_dimensions = {
    FunctionName = aws_lambda_function.this.function_name
    Resource     = "${aws_lambda_function.this.function_name}:${aws_lambda_alias.live.name}"
  }
  alarm_period_seconds = 60
  latency_p99_ms       = var.alarms.latency_p99_ms > 0 ? var.alarms.latency_p99_ms : var.timeout_seconds * 800
}

resource "aws_cloudwatch_metric_alarm" "errors" {
  alarm_name          = "${local.name}-errors"
  alarm_description   = "${var.alarms.error_rate_percent} % or more of the calls through the alias failed, of at least ${var.alarms.minimum_invocations} a minute"
  alarm_actions       = var.alarms.topic_arns
  comparison_operator = "GreaterThanOrEqualToThreshold"
  evaluation_periods  = var.alarms.periods
  ok_actions          = var.alarms.topic_arns
  threshold           = var.alarms.error_rate_percent
  treat_missing_data  = "notBreaching"

  metric_query {
    id          = "rate"
    expression  = "IF(invocations >= ${var.alarms.minimum_invocations}, 100 * errors / invocations, 0)"
    label       = "Error rate (percent)"
    return_data = true
  }

  metric_query {
    id = "errors"

    metric {
      dimensions  = local.alias_dimensions
      metric_name = "Errors"
      namespace   = "AWS/Lambda"
      period      = local.alarm_period_seconds
      stat        = "Sum"
    }
  }

  metric_query {
    id = "invocations"

    metric {
      dimensions  = local.alias_dimensions
      metric_name = "Invocations"
      namespace   = "AWS/Lambda"
      period      = local.alarm_period_seconds
      stat        = "Sum"
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "latency" {
  alarm_name                            = "${local.name}-latency"
  alarm_description                     = "One in a hundred calls through the alias took ${local.latency_p99_ms} ms or more"
  alarm_actions                         = var.alarms.topic_arns
  comparison_operator                   = "GreaterThanOrEqualToThreshold"
  dimensions                            = local.alias_dimensions
  evaluate_low_sample_count_percentiles = "ignore"
  evaluation_periods                    = var.alarms.periods
  extended_statistic                    = "p99"
  metric_name                           = "Duration"
  namespace                             = "AWS/Lambda"
  ok_actions                            = var.alarms.topic_arns
  period                                = local.alarm_period_seconds
  threshold                             = local.latency_p99_ms
  treat_missing_data                    = "notBreaching"
}

resource "aws_cloudwatch_metric_alarm" "throttles" {
  alarm_name          = "${local.name}-throttles"
  alarm_description   = "More than ${var.alarms.throttles} calls through the alias were throttled in a minute"
  alarm_actions       = var.alarms.topic_arns
  comparison_operator = "GreaterThanThreshold"
  dimensions          = local.alias_dimensions
  evaluation_periods  = var.alarms.periods
  metric_name         = "Throttles"
  namespace           = "AWS/Lambda"
  ok_actions          = var.alarms.topic_arns
  period              = local.alarm_period_seconds
  statistic           = "Sum"
  threshold           = var.alarms.throttles
  treat_missing_data  = "notBreaching"
}
