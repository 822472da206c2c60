variable "topic" {
  description = "The SNS trigger: the name that subscribers see."
  type = object({
    display_name = optional(string, "Orders")
  })
  default  = {}
  nullable = false

  validation {
    condition     = length(var.topic.display_name) <= 100
    error_message = "topic.display_name must be at most 100 characters."
  }
}
