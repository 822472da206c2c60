resource "aws_sns_topic_subscription" "this" {
  for_each = var.triggers.sns

  endpoint            = aws_lambda_alias.live.arn
  filter_policy       = each.value.filter
  filter_policy_scope = each.value.filter == null ? null : each.value.filter_scope
  protocol            = "lambda"
  redrive_policy      = length(each.value.dead_letter_arn) == 0 ? null : jsonencode({ deadLetterTargetArn = one(each.value.dead_letter_arn) })
  topic_arn           = each.value.topic_arn

  # A message may come as soon as there is a subscription.
  depends_on = [aws_lambda_permission.sns]
}

resource "aws_lambda_permission" "sns" {
  for_each = var.triggers.sns

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "sns.amazonaws.com"
  qualifier     = aws_lambda_alias.live.name
  source_arn    = each.value.topic_arn
  statement_id  = each.key == "this" ? "Sns" : "Sns-${each.key}"
}
