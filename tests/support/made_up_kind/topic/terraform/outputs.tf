output "topic_arn" {
  description = "The topic that feeds the function; null unless the trigger is topic."
  value       = one([for topic in aws_sns_topic.this : topic.arn])
}
