output "queue_url" {
  description = "The queue that feeds the function; null unless the trigger is sqs."
  value       = one([for queue in aws_sqs_queue.this : queue.url])
}
