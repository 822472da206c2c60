# What is left null takes the default of the module, which also checks every value.

variable "account" {
  description = "The AWS account of the environment: 12 digits."
  type        = string
}

variable "alarms" {
  description = "When a release is bad, as CodeDeploy sees it: error rate (percent, judged from minimum_invocations a period on), p99 duration (0: four fifths of the timeout), throttled invocations a period; each over `periods` periods of a minute. `topic_arns` get every change."
  type = object({
    error_rate_percent  = optional(number)
    latency_p99_ms      = optional(number)
    minimum_invocations = optional(number)
    periods             = optional(number)
    throttles           = optional(number)
    topic_arns          = optional(list(string))
  })
  default = null
}

variable "architecture" {
  description = "The processor architecture of the image: arm64 or x86_64."
  type        = string
  default     = null
}

variable "async" {
  description = "What Lambda does with asynchronous calls of the alias: how often it tries a failed one again, how long it keeps an event, and to which ARNs the records of those go that succeeded or failed."
  type = object({
    maximum_age_seconds = optional(number)
    on_failure          = optional(list(string))
    on_success          = optional(list(string))
    retries             = optional(number)
  })
  default = null
}

variable "deployment" {
  description = "How CodeDeploy shifts traffic: `all-at-once`; `canary` (`percentage`, and the rest after `interval_minutes`); `linear` (`percentage` more every `interval_minutes`)."
  type = object({
    interval_minutes = optional(number)
    percentage       = optional(number)
    strategy         = optional(string)
  })
  default = null
}

variable "environment" {
  description = "The environment (a rung of the ladder): 2 to 12 lower-case letters and digits."
  type        = string
}

variable "environment_variables" {
  description = "The function's environment variables. They are configuration, not secrets: every reader of the function sees them."
  type        = map(string)
  default     = null
}

variable "ephemeral_storage_mb" {
  description = "The size of the function's `/tmp`, in MB."
  type        = number
  default     = null
}

variable "gate_alarms" {
  description = "Names of alarms of the project's own, in this region and account, that a deployment watches beside those of this module. An alarm that fires keeps a deployment from starting, and undoes one."
  type        = list(string)
  default     = null

  # A deployment group takes ten, and three are this module's.
}

variable "handler" {
  description = "What the image runs, in place of its own command, such as `app.handler.handler`; empty for the image's own."
  type        = string
  default     = null
}

variable "image_uri" {
  description = "The image that the function is created with, by digest. Ignored from then on: releases own the image."
  type        = string
}

variable "log_level" {
  description = "The lowest level that the function's own log lines need to be kept: TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the function's log."
  type        = number
  default     = null
}

variable "managed_policies" {
  description = "ARNs of managed policies that the function's role has too, by names that are known before the apply."
  type        = map(string)
  default     = null
}

variable "memory_mb" {
  description = "The function's memory, in MB; its processor share follows."
  type        = number
  default     = null
}

variable "permissions" {
  description = "What the function may do besides writing its log and reading its triggers: statements of an IAM policy."
  type        = list(object({ actions = list(string), conditions = map(map(list(string))), effect = string, resources = list(string), sid = string }))
  default     = null
}

variable "permissions_boundary" {
  description = "The managed policy that bounds every role here, by its ARN; empty for none."
  type        = string
  default     = null
}

variable "project" {
  description = "The project: it begins every name. At most 24 lower-case letters, digits and single hyphens."
  type        = string
}

variable "provisioned_concurrency" {
  description = "How many execution environments of the alias's version Lambda keeps ready; 0 keeps none. They begin with the first apply after the first release."
  type        = number
  default     = null
}

variable "queue" {
  description = "The queue of `trigger` sqs: messages in a batch, how often a message is tried before it goes to the dead-letter queue, how many batches run at once (0: no limit), and for how many seconds a batch is collected."
  type = object({
    batch_size          = optional(number)
    max_receive_count   = optional(number)
    maximum_concurrency = optional(number)
    window_seconds      = optional(number)
  })
  default = null
}

variable "region" {
  description = "The AWS region of the environment."
  type        = string
}

variable "reserved_concurrency" {
  description = "How many invocations may run at once, taken from the account's share; -1 sets no limit of its own."
  type        = number
  default     = null
}

variable "schedule" {
  description = "When the schedule trigger calls the function, in UTC: rate(...), cron(...) or at(...)."
  type        = string
  default     = null
}

variable "secrets" {
  description = "References to the function's secrets by the name of the environment variable that holds each: `ssm:<path>` or `secretsmanager:<name>`, or the same with an ARN. The function may read exactly those."
  type        = map(string)
  default     = null
}

variable "secrets_key" {
  description = "The ARN of the KMS key that the secrets are encrypted with; empty for the one that AWS has for each store."
  type        = string
  default     = null
}

variable "timeout_seconds" {
  description = "How long one invocation may take, in seconds."
  type        = number
  default     = null
}

variable "tracing" {
  description = "X-Ray: `PassThrough` follows the caller's decision, `Active` samples by itself."
  type        = string
  default     = null
}

variable "trigger" {
  description = "The one trigger of a root that knows no `triggers`: `url` (public), `url-iam`, `sqs`, `schedule` or `none`."
  type        = string
  default     = null
}

variable "triggers" {
  description = "What calls the function, always through the alias: by kind, then by a name, which is part of what Terraform makes for it; `this` stands for none. Not asked where `trigger` is given."
  type = object({
    dynamodb = optional(map(object({
      batch_size             = optional(number)
      bisect                 = optional(bool)
      enabled                = optional(bool)
      filters                = optional(list(string))
      maximum_age_seconds    = optional(number)
      on_failure_arn         = optional(list(string))
      parallelization_factor = optional(number)
      retries                = optional(number)
      starting_position      = optional(string)
      stream_arn             = string
      window_seconds         = optional(number)
    })))
    eventbridge = optional(map(object({
      bus                 = optional(string)
      dead_letter_arn     = optional(list(string))
      enabled             = optional(bool)
      input               = optional(string)
      maximum_age_seconds = optional(number)
      pattern             = string
      retries             = optional(number)
    })))
    http-api = optional(map(object({
      authorization = optional(string)
      burst_limit   = optional(number)
      cors = optional(object({
        allow_credentials = optional(bool)
        allow_headers     = optional(list(string))
        allow_methods     = optional(list(string))
        allow_origins     = list(string)
        expose_headers    = optional(list(string))
        max_age_seconds   = optional(number)
      }))
      rate_limit = optional(number)
      routes     = optional(list(string))
    })))
    s3 = optional(map(object({
      bucket = map(string)
      events = optional(list(string))
      prefix = optional(string)
      suffix = optional(string)
    })))
    schedule = optional(map(object({
      enabled    = optional(bool)
      expression = optional(string)
      input      = optional(string)
      timezone   = optional(string)
    })))
    sns = optional(map(object({
      dead_letter_arn = optional(list(string))
      filter          = optional(string)
      filter_scope    = optional(string)
      topic_arn       = string
    })))
    sqs = optional(map(object({
      batch_size          = optional(number)
      enabled             = optional(bool)
      filters             = optional(list(string))
      max_receive_count   = optional(number)
      maximum_concurrency = optional(number)
      queue_arn           = optional(list(string))
      window_seconds      = optional(number)
    })))
    url = optional(map(object({
      cors = optional(object({
        allow_credentials = optional(bool)
        allow_headers     = optional(list(string))
        allow_methods     = optional(list(string))
        allow_origins     = list(string)
        expose_headers    = optional(list(string))
        max_age_seconds   = optional(number)
      }))
      streaming = optional(bool)
    })))
    url-iam = optional(map(object({
      cors = optional(object({
        allow_credentials = optional(bool)
        allow_headers     = optional(list(string))
        allow_methods     = optional(list(string))
        allow_origins     = list(string)
        expose_headers    = optional(list(string))
        max_age_seconds   = optional(number)
      }))
      streaming = optional(bool)
    })))
  })
  default = null
}

variable "vpc" {
  description = "The VPC that the function reaches: `subnets` and `security_groups` by id, both or neither. `ipv6` adds IPv6 in subnets that have both. A function in a VPC reaches the internet through a NAT gateway only."
  type = object({
    ipv6            = optional(bool)
    security_groups = optional(list(string))
    subnets         = optional(list(string))
  })
  default = null
}
