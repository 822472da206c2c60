variable "schedule" {
  description = "When the schedule trigger calls the function, in UTC: rate(...), cron(...) or at(...)."
  type        = string
  default     = "rate(1 hour)"
  nullable    = false

  validation {
    condition     = can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\(([^ ()]+ +){5}[^ ()]+\\)|at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\))$", var.schedule))
    error_message = "schedule must be like rate(5 minutes), cron(0 6 * * ? *) or at(2026-12-31T23:59:59)."
  }

  validation {
    condition     = !startswith(var.schedule, "cron(") || length(regexall("[?]", var.schedule)) == 1
    error_message = "schedule must have ? in exactly one of its day of month and its day of week, like cron(0 6 * * ? *)."
  }
}
