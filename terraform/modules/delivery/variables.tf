variable "account" {
  description = "The AWS account that holds the pipeline and the rungs of this place: 12 digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "account must be 12 digits in quotes."
  }
}

variable "codepipeline" {
  description = "AWS's own pipeline, in the place of the lowest rung: the repository whose pushes start it, and its builds; null for none. `stepladder.codepipeline` of the settings makes it."
  type = object({
    api             = string
    arm             = optional(bool, false)
    branch          = optional(string, "main")
    compute_type    = optional(string, "BUILD_GENERAL1_SMALL")
    connection_arn  = optional(string, "")
    docker          = optional(bool, false)
    image           = string
    provider        = optional(string, "github")
    python          = string
    repository      = string
    setup           = optional(list(string), [])
    timeout_minutes = optional(number, 30)
  })
  default = null

  validation {
    condition     = var.codepipeline == null ? true : can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$", var.codepipeline.repository))
    error_message = "codepipeline.repository must be a repository like acme/orders."
  }

  validation {
    condition     = var.codepipeline == null ? true : contains(["github", "gitlab"], var.codepipeline.provider)
    error_message = "codepipeline.provider must be github or gitlab."
  }

  validation {
    condition     = var.codepipeline == null ? true : var.codepipeline.connection_arn == "" || can(regex("^arn:aws[a-z-]*:(codeconnections|codestar-connections):[a-z0-9-]+:[0-9]{12}:connection/", var.codepipeline.connection_arn))
    error_message = "codepipeline.connection_arn must be the ARN of a connection, or empty."
  }

  validation {
    condition     = var.codepipeline == null ? true : var.codepipeline.timeout_minutes >= 5 && var.codepipeline.timeout_minutes <= 480
    error_message = "codepipeline.timeout_minutes must be a number from 5 to 480."
  }
}

variable "elsewhere" {
  description = "The environments of `rungs` that are in another account or region, which this place asks to release them there."
  type = map(object({
    account = string
    region  = string
  }))
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for at in var.elsewhere : can(regex("^[0-9]{12}$", at.account)) && can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", at.region))])
    error_message = "elsewhere must give an account of 12 digits and a region like eu-west-1 for each environment."
  }

  validation {
    condition     = alltrue([for at in var.elsewhere : at.account != var.account || at.region != var.region])
    error_message = "elsewhere must name no environment that is here."
  }

  validation {
    condition     = length(setsubtract(keys(var.elsewhere), flatten(var.rungs))) == 0
    error_message = "elsewhere must name environments of rungs."
  }
}

variable "freezes" {
  description = "The windows of time in which environments get no release, as JSON; empty without any. The settings promotion.freeze and promotion.rungs.<environment>.freeze make it."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.freezes == "" || can(jsondecode(var.freezes).rungs)
    error_message = "freezes must be the JSON that stepladder makes of promotion.freeze, or empty."
  }
}

variable "functions" {
  description = "The functions of each environment: whether the project's own is one (`main`), and the names of those beside it. Made from the settings `functions`; without names there is its own only."
  type = object({
    main  = optional(bool, true)
    names = optional(list(string), [])
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.functions.main || length(var.functions.names) > 0
    error_message = "functions must name at least one function where the project's own is none."
  }

  validation {
    condition     = alltrue([for name in var.functions.names : can(regex("^[a-z][a-z0-9]*(-[a-z0-9]+)*$", name))])
    error_message = "functions must have names of lower-case letters, digits and single hyphens, beginning with a letter."
  }

  validation {
    condition     = length(distinct(var.functions.names)) == length(var.functions.names)
    error_message = "functions must name each function once."
  }
}

variable "gate_alarms" {
  description = "Names or ARNs of alarms of the project's own by environment, which must not fire before a release there or during one."
  type        = map(list(string))
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for environment in keys(var.gate_alarms) : contains(flatten(var.rungs), environment)])
    error_message = "gate_alarms must name environments of the rungs."
  }
}

variable "home" {
  description = "The place of the lowest rung, whose relay may ask this place to release; null for that place itself."
  type = object({
    account = string
    region  = string
  })
  default = null

  validation {
    condition     = var.home == null || can(regex("^[0-9]{12}$", var.home.account)) && can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.home.region))
    error_message = "home must give an account of 12 digits and a region like eu-west-1."
  }
}

variable "judges_versions" {
  description = "Whether a rung compares versions, or counts a version's requests: then verify may read CloudWatch's metrics and the answers to a canary's question. Made from the settings `promotion.canary` and `promotion.bake_requests`."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the pipeline's logs."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch Logs offers, such as 7, 30, 90 or 365."
  }
}

variable "notify" {
  description = "E-mail addresses that hear of approvals wanted and of promotions that ended; each must confirm once."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.notify : can(regex("^[^@[:space:]]+@[^@[:space:]]+$", address))])
    error_message = "notify must be e-mail addresses."
  }
}

variable "packages" {
  description = "The deployment packages of relay, rollback, validate and verify in the artifacts bucket, and of check where smoke cases name checks: `key` names the content, `sha256` is its hash in base64."
  type = map(object({
    key    = string
    sha256 = string
  }))
  nullable = false

  validation {
    condition     = length(setsubtract(["relay", "rollback", "validate", "verify"], keys(var.packages))) == 0 && length(setsubtract(keys(var.packages), ["check"])) == 4
    error_message = "packages must hold relay, rollback, validate and verify, and may hold check."
  }

  validation {
    condition     = alltrue([for package in var.packages : can(regex("^[A-Za-z0-9+/]{43}=$", package.sha256))])
    error_message = "packages must have a SHA-256 in base64 each."
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

variable "region" {
  description = "The AWS region of the pipeline and the rungs of this place: a Step Functions task calls only its own."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region like eu-west-1."
  }
}

variable "require" {
  description = "What has to refer to an image in the registry before it is released: sbom, provenance, signature."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for attached in var.require : can(regex("^(?:sbom|provenance|signature)$", attached))])
    error_message = "require must be some of sbom, provenance, signature."
  }
}

variable "rungs" {
  description = "The ladder, lowest rung first: the environments of each rung, which are released together. All of it for the place of the lowest rung, else what of it is in this place."
  type        = list(list(string))
  nullable    = false

  validation {
    condition     = length(flatten(var.rungs)) > 0 && alltrue([for rung in var.rungs : length(rung) > 0])
    error_message = "rungs must hold at least one environment each."
  }

  validation {
    condition     = length(distinct(flatten(var.rungs))) == length(flatten(var.rungs))
    error_message = "rungs must name each environment once."
  }

  validation {
    condition     = alltrue([for environment in flatten(var.rungs) : can(regex("^[a-z][a-z0-9]{1,11}$", environment))])
    error_message = "rungs must be environments: 2 to 12 lower-case letters and digits, beginning with a letter."
  }
}

variable "scan_threshold" {
  description = "The lowest severity of a scan finding that stops a promotion: CRITICAL, HIGH, MEDIUM, LOW, or OFF to promote without a scan."
  type        = string
  default     = "CRITICAL"
  nullable    = false

  validation {
    condition     = contains(["CRITICAL", "HIGH", "MEDIUM", "LOW", "OFF"], var.scan_threshold)
    error_message = "scan_threshold must be CRITICAL, HIGH, MEDIUM, LOW or OFF."
  }
}
