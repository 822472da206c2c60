# The topic that calls the function. Its subscription follows from `triggers` in invoke.yaml.
resource "aws_sns_topic" "guests" {
  name              = "${var.project}-${var.environment}-guests"
  kms_master_key_id = "alias/aws/sns"
}

output "topic_arn" {
  description = "The topic to publish to."
  value       = aws_sns_topic.guests.arn
}
