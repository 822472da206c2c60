resource "aws_sns_topic" "promotion" {
  name              = "${var.project}-promotion"
  display_name      = "Promotions of ${var.project}"
  kms_master_key_id = "alias/aws/sns"
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.notify)

  endpoint  = each.value
  protocol  = "email"
  topic_arn = aws_sns_topic.promotion.arn
}
