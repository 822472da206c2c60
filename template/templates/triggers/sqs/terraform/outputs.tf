output "queue_url" {
  description = "The queue of the sqs trigger that has no name, or of the only one; null when there is none."
  value       = try(aws_sqs_queue.this["this"].url, one([for queue in aws_sqs_queue.this : queue.url]), null)
}

output "queue_urls" {
  description = "The queues of the sqs triggers, by the triggers' names."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.url }
}
