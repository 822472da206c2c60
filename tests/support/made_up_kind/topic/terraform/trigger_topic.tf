resource "aws_sns_topic" "this" {
  for_each = var.triggers.topic

  name         = each.key == "this" ? local.name : "${local.name}-${each.key}"
  display_name = each.value.display_name
}

resource "aws_sns_topic_subscription" "topic" {
  for_each = aws_sns_topic.this

  endpoint  = aws_lambda_alias.live.arn
  protocol  = "lambda"
  topic_arn = each.value.arn
}

resource "aws_lambda_permission" "topic" {
  for_each = aws_sns_topic.this

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "sns.amazonaws.com"
  qualifier     = aws_lambda_alias.live.name
  source_arn    = each.value.arn
}
