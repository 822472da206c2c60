variable "queue" {
  description = "The SQS trigger: messages a batch, how often a message is tried before it goes to the dead-letter queue, and how many batches run at once (0: no limit)."
  type = object({
    batch_size          = optional(number, 10)
    max_receive_count   = optional(number, 5)
    maximum_concurrency = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(range(1, 11), var.queue.batch_size)
    error_message = "queue.batch_size must be a whole number from 1 to 10."
  }

  validation {
    condition     = contains(range(1, 1001), var.queue.max_receive_count)
    error_message = "queue.max_receive_count must be a whole number from 1 to 1000."
  }

  validation {
    condition     = var.queue.maximum_concurrency == 0 || contains(range(2, 1001), var.queue.maximum_concurrency)
    error_message = "queue.maximum_concurrency must be a whole number from 2 to 1000, or 0."
  }
}
