variable "account" {
  description = "The AWS account of the environment: 12 digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "account must be 12 digits in quotes."
  }
}

variable "alarms" {
  description = "When a release is bad, as CodeDeploy sees it: error rate (percent, judged from minimum_invocations a period on), p99 duration (0: four fifths of the timeout), throttled invocations a period; each over `periods` periods of a minute. `topic_arns` get every change."
  type = object({
    error_rate_percent  = optional(number, 5)
    latency_p99_ms      = optional(number, 0)
    minimum_invocations = optional(number, 10)
    periods             = optional(number, 1)
    throttles           = optional(number, 0)
    topic_arns          = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.alarms.error_rate_percent > 0 && var.alarms.error_rate_percent < 100
    error_message = "alarms.error_rate_percent must be more than 0 and less than 100."
  }

  validation {
    condition     = var.alarms.latency_p99_ms == 0 || (var.alarms.latency_p99_ms >= 1 && var.alarms.latency_p99_ms <= 900000)
    error_message = "alarms.latency_p99_ms must be from 1 to 900000, or 0 for four fifths of the timeout."
  }

  validation {
    condition     = var.alarms.minimum_invocations >= 1 && floor(var.alarms.minimum_invocations) == var.alarms.minimum_invocations
    error_message = "alarms.minimum_invocations must be a whole number from 1 on."
  }

  validation {
    condition     = contains(range(1, 61), var.alarms.periods)
    error_message = "alarms.periods must be a whole number from 1 to 60."
  }

  validation {
    condition     = var.alarms.throttles >= 0
    error_message = "alarms.throttles must not be negative."
  }

  validation {
    condition     = alltrue([for arn in var.alarms.topic_arns : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[^:]+$", arn))])
    error_message = "alarms.topic_arns must be ARNs of SNS topics."
  }

  # The alarms see the alias, where the old version's good answers thin out the new one's errors.
  validation {
    condition     = var.deployment.strategy == "all-at-once" || var.alarms.error_rate_percent < var.deployment.percentage
    error_message = "alarms.error_rate_percent must be less than deployment.percentage: a canary whose every call fails could not raise the alarm otherwise."
  }
}

variable "architecture" {
  description = "The processor architecture of the image: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "async" {
  description = "What Lambda does with asynchronous calls of the alias: how often it tries a failed one again, how long it keeps an event, and to which ARNs the records of those go that succeeded or failed."
  type = object({
    maximum_age_seconds = optional(number, 21600)
    on_failure          = optional(list(string), [])
    on_success          = optional(list(string), [])
    retries             = optional(number, 2)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.async.maximum_age_seconds >= 60 && var.async.maximum_age_seconds <= 21600 && floor(var.async.maximum_age_seconds) == var.async.maximum_age_seconds
    error_message = "async.maximum_age_seconds must be a whole number from 60 to 21600."
  }

  validation {
    condition     = alltrue([for arn in var.async.on_failure : can(regex("^arn:aws[a-z-]*:(sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}|sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}|lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?|events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9/._-]+|s3:::[a-z0-9.-]{3,63})$", arn))])
    error_message = "async.on_failure must be the ARN of a standard SQS queue, a standard SNS topic, a Lambda function or an EventBridge bus, or of an S3 bucket."
  }

  validation {
    condition     = length(var.async.on_failure) <= 1
    error_message = "async.on_failure must be one ARN, or none."
  }

  validation {
    condition     = alltrue([for arn in var.async.on_success : can(regex("^arn:aws[a-z-]*:(sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,80}|sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}|lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]+(:[$A-Za-z0-9_-]+)?|events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9/._-]+)$", arn))])
    error_message = "async.on_success must be the ARN of a standard SQS queue, a standard SNS topic, a Lambda function or an EventBridge bus."
  }

  validation {
    condition     = length(var.async.on_success) <= 1
    error_message = "async.on_success must be one ARN, or none."
  }

  validation {
    condition     = var.async.retries >= 0 && var.async.retries <= 2 && floor(var.async.retries) == var.async.retries
    error_message = "async.retries must be a whole number from 0 to 2."
  }
}

variable "deployment" {
  description = "How CodeDeploy shifts traffic: `all-at-once`; `canary` (`percentage`, and the rest after `interval_minutes`); `linear` (`percentage` more every `interval_minutes`)."
  type = object({
    interval_minutes = optional(number, 5)
    percentage       = optional(number, 10)
    strategy         = optional(string, "canary")
  })
  default  = {}
  nullable = false

  validation {
    condition     = contains(["all-at-once", "canary", "linear"], var.deployment.strategy)
    error_message = "deployment.strategy must be all-at-once, canary or linear."
  }

  validation {
    condition     = contains(range(1, 100), var.deployment.percentage)
    error_message = "deployment.percentage must be a whole number from 1 to 99."
  }

  # A deployment to Lambda may last 48 hours, and its last step waits too.
  validation {
    condition = (
      var.deployment.interval_minutes >= 1 && floor(var.deployment.interval_minutes) == var.deployment.interval_minutes &&
      var.deployment.interval_minutes * (var.deployment.strategy == "linear" ? ceil(100 / max(var.deployment.percentage, 1)) : 1) <= 2880
    )
    error_message = "deployment.interval_minutes must be a whole number from 1 on, and all steps together must fit 2880 minutes."
  }
}

variable "environment" {
  description = "The environment (a rung of the ladder): 2 to 12 lower-case letters and digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^([a-z][a-z0-9]{1,11}|pr-[1-9][0-9]{0,8})$", var.environment))
    error_message = "environment must be 2 to 12 lower-case letters and digits, beginning with a letter."
  }
}

variable "environment_variables" {
  description = "The function's environment variables. They are configuration, not secrets: every reader of the function sees them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.environment_variables) : can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])
    error_message = "environment_variables must have names of at least two letters, digits and underscores, beginning with a letter."
  }

  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
  validation {
    condition = length(setintersection(keys(var.environment_variables), [
      "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
      "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
      "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION",
      "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
    ])) == 0
    error_message = "environment_variables must not set a name that Lambda reserves, such as AWS_REGION."
  }

  validation {
    condition     = length(jsonencode(var.environment_variables)) <= 4096
    error_message = "environment_variables must not be longer than 4 KB together."
  }
}

variable "ephemeral_storage_mb" {
  description = "The size of the function's `/tmp`, in MB."
  type        = number
  default     = 512
  nullable    = false

  validation {
    condition     = var.ephemeral_storage_mb >= 512 && var.ephemeral_storage_mb <= 10240 && floor(var.ephemeral_storage_mb) == var.ephemeral_storage_mb
    error_message = "ephemeral_storage_mb must be a whole number from 512 to 10240."
  }
}

variable "function" {
  description = "The name of one of several functions, which all its names end with; empty for the project's own function."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^([a-z][a-z0-9]*(-[a-z0-9]+)*)?$", var.function))
    error_message = "function must be lower-case letters, digits and single hyphens, beginning with a letter, or empty."
  }

  # Its roles are named after it, at most 64 characters: the longest ends in -codedeploy.
  validation {
    condition     = length("${var.project}-${var.environment}-${var.function}") <= 53
    error_message = "function must leave at most 53 characters to project, environment and function together, each with a hyphen between."
  }

  # EventBridge and its Scheduler take 64 characters, and a queue 80 with its -dead-letters.
  validation {
    condition = alltrue([
      for name in flatten([for kind in values(var.triggers) : [for name in keys(kind) : name if name != "this"]]) :
      var.function == "" || length("${var.project}-${var.environment}-${var.function}-${name}") <= 64
    ])
    error_message = "function must leave at most 64 characters to project, environment, function and the name of each trigger together, each with a hyphen between."
  }
}

variable "gate_alarms" {
  description = "Names of alarms of the project's own, in this region and account, that a deployment watches beside those of this module. An alarm that fires keeps a deployment from starting, and undoes one."
  type        = list(string)
  default     = []
  nullable    = false

  # A deployment group takes ten, and three are this module's.
  validation {
    condition     = length(var.gate_alarms) <= 7
    error_message = "gate_alarms must hold at most 7 alarms."
  }
}

variable "handler" {
  description = "What the image runs, in place of its own command, such as `app.handler.handler`; empty for the image's own."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = can(regex("^(([A-Za-z0-9_-]+([./][A-Za-z0-9_-]+)*\\.[A-Za-z0-9_]+)?)$", var.handler))
    error_message = "handler must be a module and a function of the image, such as app.handler.handler."
  }

  validation {
    condition     = length(var.handler) <= 128
    error_message = "handler must be at most 128 characters."
  }
}

variable "image_uri" {
  description = "The image that the function is created with, by digest. Ignored from then on: releases own the image."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@[:space:]]+@sha256:[0-9a-f]{64}$", var.image_uri))
    error_message = "image_uri must name the image by digest: <registry>/<repository>@sha256:<64 hex digits>."
  }
}

variable "log_level" {
  description = "The lowest level that the function's own log lines need to be kept: TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  type        = string
  default     = "INFO"
  nullable    = false

  validation {
    condition     = contains(["TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"], var.log_level)
    error_message = "log_level must be TRACE, DEBUG, INFO, WARN, ERROR or FATAL."
  }
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the function's log."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch Logs offers, such as 7, 30, 90 or 365."
  }
}

variable "managed_policies" {
  description = "ARNs of managed policies that the function's role has too, by names that are known before the apply."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for arn in values(var.managed_policies) : can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/[a-zA-Z0-9_+=,.@/-]+$", arn))])
    error_message = "managed_policies must be ARNs of managed policies, by any names."
  }
}

variable "memory_mb" {
  description = "The function's memory, in MB; its processor share follows."
  type        = number
  default     = 256
  nullable    = false

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240 && floor(var.memory_mb) == var.memory_mb
    error_message = "memory_mb must be a whole number from 128 to 10240."
  }
}

variable "permissions" {
  description = "What the function may do besides writing its log and reading its triggers: statements of an IAM policy."
  type        = list(object({ actions = list(string), conditions = map(map(list(string))), effect = string, resources = list(string), sid = string }))
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for each in var.permissions : length(each.actions) > 0 && length(each.resources) > 0])
    error_message = "permissions must have actions and resources in each statement."
  }

  validation {
    condition     = alltrue([for each in var.permissions : contains(["Allow", "Deny"], each.effect)])
    error_message = "permissions must have the effect Allow or Deny in each statement."
  }
}

variable "permissions_boundary" {
  description = "The managed policy that bounds every role here, by its ARN; empty for none."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.permissions_boundary == "" || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a managed policy, or empty."
  }
}

variable "project" {
  description = "The project: it begins every name. At most 24 lower-case letters, digits and single hyphens."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", var.project)) && length(var.project) <= 24
    error_message = "project must be at most 24 lower-case letters, digits and single hyphens, beginning with a letter."
  }
}

variable "provisioned_concurrency" {
  description = "How many execution environments of the alias's version Lambda keeps ready; 0 keeps none. They begin with the first apply after the first release."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.provisioned_concurrency >= 0 && floor(var.provisioned_concurrency) == var.provisioned_concurrency
    error_message = "provisioned_concurrency must be a whole number from 0 on."
  }

  validation {
    condition     = var.reserved_concurrency == -1 || var.provisioned_concurrency <= var.reserved_concurrency
    error_message = "provisioned_concurrency must be at most reserved_concurrency."
  }

  # An alias with provisioned concurrency takes no weights.
  validation {
    condition     = var.provisioned_concurrency == 0 || var.deployment.strategy == "all-at-once"
    error_message = "provisioned_concurrency must be 0 unless deployment.strategy is all-at-once."
  }
}

variable "queue" {
  description = "The queue of `trigger` sqs: messages in a batch, how often a message is tried before it goes to the dead-letter queue, how many batches run at once (0: no limit), and for how many seconds a batch is collected."
  type = object({
    batch_size          = optional(number, 10)
    max_receive_count   = optional(number, 5)
    maximum_concurrency = optional(number, 0)
    window_seconds      = optional(number, 0)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.queue.batch_size >= 1 && var.queue.batch_size <= 10000 && floor(var.queue.batch_size) == var.queue.batch_size
    error_message = "queue.batch_size must be a whole number from 1 to 10000."
  }

  validation {
    condition     = var.queue.max_receive_count >= 1 && var.queue.max_receive_count <= 1000 && floor(var.queue.max_receive_count) == var.queue.max_receive_count
    error_message = "queue.max_receive_count must be a whole number from 1 to 1000."
  }

  validation {
    condition     = var.queue.maximum_concurrency == 0 || (var.queue.maximum_concurrency >= 2 && var.queue.maximum_concurrency <= 1000 && floor(var.queue.maximum_concurrency) == var.queue.maximum_concurrency)
    error_message = "queue.maximum_concurrency must be a whole number from 2 to 1000, or 0."
  }

  validation {
    condition     = var.queue.window_seconds >= 0 && var.queue.window_seconds <= 300 && floor(var.queue.window_seconds) == var.queue.window_seconds
    error_message = "queue.window_seconds must be a whole number from 0 to 300."
  }

  validation {
    condition     = var.queue.batch_size <= 10 || var.queue.window_seconds > 0
    error_message = "queue.batch_size must be at most 10 unless queue.window_seconds is more than 0."
  }
}

variable "region" {
  description = "The AWS region of the environment."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region like eu-west-1."
  }
}

variable "reserved_concurrency" {
  description = "How many invocations may run at once, taken from the account's share; -1 sets no limit of its own."
  type        = number
  default     = -1
  nullable    = false

  validation {
    condition     = var.reserved_concurrency >= -1 && floor(var.reserved_concurrency) == var.reserved_concurrency
    error_message = "reserved_concurrency must be a whole number from 0 on, or -1."
  }
}

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

variable "secrets" {
  description = "References to the function's secrets by the name of the environment variable that holds each: `ssm:<path>` or `secretsmanager:<name>`, or the same with an ARN. The function may read exactly those."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for name in keys(var.secrets) : can(regex("^[a-zA-Z][a-zA-Z0-9_]+$", name))])
    error_message = "secrets must have names of at least two letters, digits and underscores, beginning with a letter."
  }

  validation {
    condition     = alltrue([for each in values(var.secrets) : can(regex("^(ssm|secretsmanager):[^[:space:]]+$", each))])
    error_message = "secrets must be references: ssm:<path> or secretsmanager:<name>, or the same with an ARN."
  }

  validation {
    condition     = length(setintersection(keys(var.secrets), keys(var.environment_variables))) == 0
    error_message = "secrets must not have a name that environment_variables has."
  }

  validation {
    condition     = length(jsonencode(merge(var.environment_variables, var.secrets))) <= 4096
    error_message = "secrets and environment_variables must not be longer than 4 KB together."
  }
}

variable "secrets_key" {
  description = "The ARN of the KMS key that the secrets are encrypted with; empty for the one that AWS has for each store."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.secrets_key == "" || can(regex("^arn:aws(-[a-z-]+)?:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.secrets_key))
    error_message = "secrets_key must be the ARN of a KMS key, or empty."
  }
}

variable "timeout_seconds" {
  description = "How long one invocation may take, in seconds."
  type        = number
  default     = 15
  nullable    = false

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 900 && floor(var.timeout_seconds) == var.timeout_seconds
    error_message = "timeout_seconds must be a whole number from 1 to 900."
  }
}

variable "tracing" {
  description = "X-Ray: `PassThrough` follows the caller's decision, `Active` samples by itself."
  type        = string
  default     = "PassThrough"
  nullable    = false

  validation {
    condition     = contains(["Active", "PassThrough"], var.tracing)
    error_message = "tracing must be Active or PassThrough."
  }
}

variable "trigger" {
  description = "The one trigger of a root that knows no `triggers`: `url` (public), `url-iam`, `sqs`, `schedule` or `none`."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = contains(["", "url", "url-iam", "sqs", "schedule", "none"], var.trigger)
    error_message = "trigger must be url, url-iam, sqs, schedule or none."
  }
}

variable "triggers" {
  description = "What calls the function, always through the alias: by kind, then by a name, which is part of what Terraform makes for it; `this` stands for none. Not asked where `trigger` is given."
  type = object({
    dynamodb = optional(map(object({
      batch_size             = optional(number, 100)
      bisect                 = optional(bool, true)
      enabled                = optional(bool, true)
      filters                = optional(list(string), [])
      maximum_age_seconds    = optional(number, 0)
      on_failure_arn         = optional(list(string), [])
      parallelization_factor = optional(number, 1)
      retries                = optional(number, -1)
      starting_position      = optional(string, "LATEST")
      stream_arn             = string
      window_seconds         = optional(number, 0)
    })), {})
    eventbridge = optional(map(object({
      bus                 = optional(string, "default")
      dead_letter_arn     = optional(list(string), [])
      enabled             = optional(bool, true)
      input               = optional(string)
      maximum_age_seconds = optional(number, 86400)
      pattern             = string
      retries             = optional(number, 185)
    })), {})
    http-api = optional(map(object({
      authorization = optional(string, "iam")
      burst_limit   = optional(number, 0)
      cors = optional(object({
        allow_credentials = optional(bool, false)
        allow_headers     = optional(list(string), [])
        allow_methods     = optional(list(string), ["*"])
        allow_origins     = list(string)
        expose_headers    = optional(list(string), [])
        max_age_seconds   = optional(number, 0)
      }))
      rate_limit = optional(number, 0)
      routes     = optional(list(string), ["$default"])
    })), {})
    s3 = optional(map(object({
      bucket = map(string)
      events = optional(list(string), ["s3:ObjectCreated:*"])
      prefix = optional(string, "")
      suffix = optional(string, "")
    })), {})
    schedule = optional(map(object({
      enabled    = optional(bool, true)
      expression = optional(string, "rate(1 hour)")
      input      = optional(string)
      timezone   = optional(string, "UTC")
    })), {})
    sns = optional(map(object({
      dead_letter_arn = optional(list(string), [])
      filter          = optional(string)
      filter_scope    = optional(string, "MessageAttributes")
      topic_arn       = string
    })), {})
    sqs = optional(map(object({
      batch_size          = optional(number, 10)
      enabled             = optional(bool, true)
      filters             = optional(list(string), [])
      max_receive_count   = optional(number, 5)
      maximum_concurrency = optional(number, 0)
      queue_arn           = optional(list(string), [])
      window_seconds      = optional(number, 0)
    })), {})
    url = optional(map(object({
      cors = optional(object({
        allow_credentials = optional(bool, false)
        allow_headers     = optional(list(string), [])
        allow_methods     = optional(list(string), ["*"])
        allow_origins     = list(string)
        expose_headers    = optional(list(string), [])
        max_age_seconds   = optional(number, 0)
      }))
      streaming = optional(bool, false)
    })), {})
    url-iam = optional(map(object({
      cors = optional(object({
        allow_credentials = optional(bool, false)
        allow_headers     = optional(list(string), [])
        allow_methods     = optional(list(string), ["*"])
        allow_origins     = list(string)
        expose_headers    = optional(list(string), [])
        max_age_seconds   = optional(number, 0)
      }))
      streaming = optional(bool, false)
    })), {})
  })
  default  = { url-iam = { this = {} } }
  nullable = false

  validation {
    condition     = alltrue([for name in flatten([for kind in values(var.triggers) : [for name in keys(kind) : name if name != "this"]]) : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name)) && length(name) <= 24])
    error_message = "triggers must have names of at most 24 lower-case letters, digits and single hyphens."
  }

  validation {
    condition     = length(flatten([for kind in values(var.triggers) : [for name in keys(kind) : name if name != "this"]])) == length(distinct(flatten([for kind in values(var.triggers) : [for name in keys(kind) : name if name != "this"]])))
    error_message = "triggers must have different names, of whatever kind they are."
  }

  validation {
    condition     = length(var.triggers.url) + length(var.triggers.url-iam) <= 1
    error_message = "triggers must hold one function URL at most (url or url-iam)."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.url : [
      each.cors == null ? true : alltrue([for text in each.cors.allow_headers : can(regex("^([*]|[A-Za-z0-9-]+)$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.allow_methods : can(regex("^([*]|GET|HEAD|POST|PUT|PATCH|DELETE)$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.allow_origins : can(regex("^([*]|https?://[A-Za-z0-9.*:-]{1,253})$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.expose_headers : can(regex("^([*]|[A-Za-z0-9-]+)$", text))]),
      each.cors == null ? true : each.cors.max_age_seconds >= 0 && each.cors.max_age_seconds <= 86400 && floor(each.cors.max_age_seconds) == each.cors.max_age_seconds,
      each.cors == null ? true : length(each.cors.allow_origins) > 0 && !(each.cors.allow_credentials && contains(each.cors.allow_origins, "*")),
    ]]))
    error_message = "triggers.url: cors.allow_headers must be names of headers, or *. cors.allow_methods must be GET, HEAD, POST, PUT, PATCH, DELETE or *. cors.allow_origins must be origins like https://www.example.com, or *. cors.expose_headers must be names of headers, or *. cors.max_age_seconds must be a whole number from 0 to 86400. cors must name origins, and * among them only without allow_credentials."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.url-iam : [
      each.cors == null ? true : alltrue([for text in each.cors.allow_headers : can(regex("^([*]|[A-Za-z0-9-]+)$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.allow_methods : can(regex("^([*]|GET|HEAD|POST|PUT|PATCH|DELETE)$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.allow_origins : can(regex("^([*]|https?://[A-Za-z0-9.*:-]{1,253})$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.expose_headers : can(regex("^([*]|[A-Za-z0-9-]+)$", text))]),
      each.cors == null ? true : each.cors.max_age_seconds >= 0 && each.cors.max_age_seconds <= 86400 && floor(each.cors.max_age_seconds) == each.cors.max_age_seconds,
      each.cors == null ? true : length(each.cors.allow_origins) > 0 && !(each.cors.allow_credentials && contains(each.cors.allow_origins, "*")),
    ]]))
    error_message = "triggers.url-iam: cors.allow_headers must be names of headers, or *. cors.allow_methods must be GET, HEAD, POST, PUT, PATCH, DELETE or *. cors.allow_origins must be origins like https://www.example.com, or *. cors.expose_headers must be names of headers, or *. cors.max_age_seconds must be a whole number from 0 to 86400. cors must name origins, and * among them only without allow_credentials."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.sqs : [
      each.batch_size >= 1 && each.batch_size <= 10000 && floor(each.batch_size) == each.batch_size,
      length(each.filters) <= 5 && alltrue([for text in each.filters : can(jsondecode(text))]),
      each.max_receive_count >= 1 && each.max_receive_count <= 1000 && floor(each.max_receive_count) == each.max_receive_count,
      each.maximum_concurrency == 0 || (each.maximum_concurrency >= 2 && each.maximum_concurrency <= 1000 && floor(each.maximum_concurrency) == each.maximum_concurrency),
      length(each.queue_arn) <= 1,
      alltrue([for text in each.queue_arn : can(regex("^(arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)$", text))]),
      each.window_seconds >= 0 && each.window_seconds <= 300 && floor(each.window_seconds) == each.window_seconds,
      each.batch_size <= 10 || each.window_seconds > 0,
    ]]))
    error_message = "triggers.sqs: batch_size must be a whole number from 1 to 10000. filters must be at most 5 texts of JSON. max_receive_count must be a whole number from 1 to 1000. maximum_concurrency must be a whole number from 2 to 1000, or 0. queue_arn must hold one text at most. queue_arn must be the ARN of a standard queue. window_seconds must be a whole number from 0 to 300. batch_size must be at most 10 unless window_seconds is more than 0."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.schedule : [
      can(regex("^(rate\\([1-9][0-9]* (minute|hour|day)s?\\)|cron\\(([^ ()]+ +){5}[^ ()]+\\)|at\\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\))$", each.expression)),
      !startswith(each.expression, "cron(") || length(regexall("[?]", each.expression)) == 1,
      each.input == null ? true : can(jsondecode(each.input)),
      can(regex("^([A-Za-z]+([A-Za-z0-9_+/-]*[A-Za-z0-9])?)$", each.timezone)),
    ]]))
    error_message = "triggers.schedule: expression must be like rate(5 minutes), cron(0 6 * * ? *) or at(2026-12-31T23:59:59). expression must have ? in exactly one of its day of month and its day of week, like cron(0 6 * * ? *). input must be JSON. timezone must be a time zone such as Europe/Berlin."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.http-api : [
      contains(["iam", "none"], each.authorization),
      each.burst_limit >= 0 && each.burst_limit <= 1000000 && floor(each.burst_limit) == each.burst_limit,
      each.cors == null ? true : alltrue([for text in each.cors.allow_headers : can(regex("^([*]|[A-Za-z0-9-]+)$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.allow_methods : can(regex("^([*]|GET|HEAD|POST|PUT|PATCH|DELETE)$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.allow_origins : can(regex("^([*]|https?://[A-Za-z0-9.*:-]{1,253})$", text))]),
      each.cors == null ? true : alltrue([for text in each.cors.expose_headers : can(regex("^([*]|[A-Za-z0-9-]+)$", text))]),
      each.cors == null ? true : each.cors.max_age_seconds >= 0 && each.cors.max_age_seconds <= 86400 && floor(each.cors.max_age_seconds) == each.cors.max_age_seconds,
      each.cors == null ? true : length(each.cors.allow_origins) > 0 && !(each.cors.allow_credentials && contains(each.cors.allow_origins, "*")),
      each.rate_limit >= 0 && each.rate_limit <= 1000000 && floor(each.rate_limit) == each.rate_limit,
      alltrue([for text in each.routes : can(regex("^([$]default|(ANY|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) /[^ ]*)$", text))]),
      length(each.routes) > 0,
      (each.burst_limit > 0) == (each.rate_limit > 0),
    ]]))
    error_message = "triggers.http-api: authorization must be iam or none. burst_limit must be a whole number from 0 to 1000000. cors.allow_headers must be names of headers, or *. cors.allow_methods must be GET, HEAD, POST, PUT, PATCH, DELETE or *. cors.allow_origins must be origins like https://www.example.com, or *. cors.expose_headers must be names of headers, or *. cors.max_age_seconds must be a whole number from 0 to 86400. cors must name origins, and * among them only without allow_credentials. rate_limit must be a whole number from 0 to 1000000. routes must be routes such as GET /orders/{id}, or $default. routes must not be empty. burst_limit and rate_limit must both be more than 0, or neither."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.eventbridge : [
      can(regex("^(arn:[a-z-]+:events:[a-z0-9-]+:[0-9]{12}:event-bus/[A-Za-z0-9/._-]+|[A-Za-z0-9/._-]+)$", each.bus)),
      length(each.bus) <= 1600,
      length(each.dead_letter_arn) <= 1,
      alltrue([for text in each.dead_letter_arn : can(regex("^(arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)$", text))]),
      each.input == null ? true : can(jsondecode(each.input)),
      each.maximum_age_seconds >= 60 && each.maximum_age_seconds <= 86400 && floor(each.maximum_age_seconds) == each.maximum_age_seconds,
      each.pattern == null ? true : can(jsondecode(each.pattern)),
      each.retries >= 0 && each.retries <= 185 && floor(each.retries) == each.retries,
    ]]))
    error_message = "triggers.eventbridge: bus must be the name or the ARN of an event bus. bus must be at most 1600 characters. dead_letter_arn must hold one text at most. dead_letter_arn must be the ARN of a standard queue. input must be JSON. maximum_age_seconds must be a whole number from 60 to 86400. pattern must be JSON. retries must be a whole number from 0 to 185."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.sns : [
      length(each.dead_letter_arn) <= 1,
      alltrue([for text in each.dead_letter_arn : can(regex("^(arn:[a-z-]+:sqs:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)$", text))]),
      each.filter == null ? true : can(jsondecode(each.filter)),
      contains(["MessageAttributes", "MessageBody"], each.filter_scope),
      can(regex("^(arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)$", each.topic_arn)),
    ]]))
    error_message = "triggers.sns: dead_letter_arn must hold one text at most. dead_letter_arn must be the ARN of a standard queue. filter must be JSON. filter_scope must be MessageAttributes or MessageBody. topic_arn must be the ARN of a standard topic."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.dynamodb : [
      each.batch_size >= 1 && each.batch_size <= 10000 && floor(each.batch_size) == each.batch_size,
      length(each.filters) <= 5 && alltrue([for text in each.filters : can(jsondecode(text))]),
      each.maximum_age_seconds == 0 || (each.maximum_age_seconds >= 60 && each.maximum_age_seconds <= 604800 && floor(each.maximum_age_seconds) == each.maximum_age_seconds),
      length(each.on_failure_arn) <= 1,
      alltrue([for text in each.on_failure_arn : can(regex("^(arn:[a-z-]+:(sqs|sns):[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]+)$", text))]),
      each.parallelization_factor >= 1 && each.parallelization_factor <= 10 && floor(each.parallelization_factor) == each.parallelization_factor,
      each.retries >= -1 && each.retries <= 10000 && floor(each.retries) == each.retries,
      contains(["LATEST", "TRIM_HORIZON"], each.starting_position),
      can(regex("^(arn:[a-z-]+:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[A-Za-z0-9_.-]+/stream/[0-9T:.-]+)$", each.stream_arn)),
      each.window_seconds >= 0 && each.window_seconds <= 300 && floor(each.window_seconds) == each.window_seconds,
    ]]))
    error_message = "triggers.dynamodb: batch_size must be a whole number from 1 to 10000. filters must be at most 5 texts of JSON. maximum_age_seconds must be a whole number from 60 to 604800, or 0. on_failure_arn must hold one text at most. on_failure_arn must be the ARN of a standard queue or a standard topic. parallelization_factor must be a whole number from 1 to 10. retries must be a whole number from -1 to 10000. starting_position must be LATEST or TRIM_HORIZON. stream_arn must be the ARN of a table's stream. window_seconds must be a whole number from 0 to 300."
  }

  validation {
    condition = alltrue(flatten([for each in var.triggers.s3 : [
      length(each.bucket) == 1,
      alltrue([for text in each.events : can(regex("^s3:[A-Za-z]+(:[A-Za-z*]+)?$", text))]),
      length(each.events) > 0,
      can(regex("^([^\\n]*)$", each.prefix)),
      length(each.prefix) <= 1024,
      can(regex("^([^\\n]*)$", each.suffix)),
      length(each.suffix) <= 1024,
    ]]))
    error_message = "triggers.s3: bucket must hold one text, under a key of its own. events must be events of S3 such as s3:ObjectCreated:*. events must not be empty. prefix must be what keys begin with. prefix must be at most 1024 characters. suffix must be what keys end with. suffix must be at most 1024 characters."
  }
}

variable "vpc" {
  description = "The VPC that the function reaches: `subnets` and `security_groups` by id, both or neither. `ipv6` adds IPv6 in subnets that have both. A function in a VPC reaches the internet through a NAT gateway only."
  type = object({
    ipv6            = optional(bool, false)
    security_groups = optional(list(string), [])
    subnets         = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for id in var.vpc.security_groups : can(regex("^sg-[0-9a-f]{8,17}$", id))])
    error_message = "vpc.security_groups must be ids like sg-0123456789abcdef0."
  }

  validation {
    condition     = length(var.vpc.security_groups) <= 5
    error_message = "vpc.security_groups must be at most 5."
  }

  validation {
    condition     = alltrue([for id in var.vpc.subnets : can(regex("^subnet-[0-9a-f]{8,17}$", id))])
    error_message = "vpc.subnets must be ids like subnet-0123456789abcdef0."
  }

  validation {
    condition     = length(var.vpc.subnets) <= 16
    error_message = "vpc.subnets must be at most 16."
  }

  validation {
    condition     = (length(var.vpc.subnets) > 0) == (length(var.vpc.security_groups) > 0)
    error_message = "vpc must have subnets and security_groups, or neither."
  }
}
