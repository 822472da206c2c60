output "topic_arn" {
  description = "The topic that feeds the function; null unless there is one trigger of the kind topic."
  value       = try(one([for topic in aws_sns_topic.this : topic.arn]), null)
}
