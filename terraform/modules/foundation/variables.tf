variable "account" {
  description = "The AWS account that holds everything here: 12 digits."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account))
    error_message = "account must be 12 digits in quotes."
  }
}

variable "ci" {
  description = "Whose CI jobs may act here, and as what: made from the settings `ci`. Without issuers nothing is made."
  type = object({
    boundary = optional(string, "")
    environments = optional(map(object({
      buckets   = list(string)
      http_api  = bool
      promoted  = bool
      queues    = list(string)
      rules     = list(string)
      schedules = list(string)
      stacks    = list(string)
      topics    = list(string)
    })), {})
    issuers = optional(map(object({
      audience = string
      provider = string
      subjects = object({
        branch        = list(string)
        environments  = map(list(string))
        pull_requests = list(string)
      })
      url = string
    })), {})
    previews = optional(bool, false)
    primary  = optional(bool, true)
  })
  default  = {}
  nullable = false

  validation {
    condition     = alltrue([for issuer in values(var.ci.issuers) : can(regex("^https://[a-z0-9.-]+(/[A-Za-z0-9._~-]+)*$", issuer.url))])
    error_message = "ci.issuers must have addresses that begin with https:// and end without a slash, a port or a query."
  }

  validation {
    condition     = alltrue([for issuer in values(var.ci.issuers) : contains(["create", "existing", "other"], issuer.provider)])
    error_message = "ci.issuers must say create, existing or other of their provider."
  }

  validation {
    condition = alltrue(flatten([
      for issuer in values(var.ci.issuers) : [
        for subject in concat(issuer.subjects.branch, values(issuer.subjects.environments)...) : can(regex("^[^*?$]+$", subject))
      ]
    ]))
    error_message = "ci.issuers must name the subjects of branches and environments whole: no wildcards and no variables."
  }

  validation {
    condition = alltrue(flatten([
      for issuer in values(var.ci.issuers) : [
        for subject in issuer.subjects.pull_requests : can(regex("^(repo:[^*?$]+:pull_request|project_path:[^*?$]+:ref_type:branch:ref:\\*)$", subject))
      ]
    ]))
    error_message = "ci.issuers must name the subjects of pull requests whole, but for the branch of a merge request on GitLab."
  }
}

variable "codepipeline" {
  description = "AWS's own pipeline of this place: the connection to the forge, and what its builds may reach; null for none. Made from the settings `codepipeline`."
  type = object({
    connection_arn = optional(string, "")
    deploys        = string
    promotes       = string
    provider       = optional(string, "github")
    repository     = string
    role_arns      = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.codepipeline == null ? true : can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)+$", var.codepipeline.repository))
    error_message = "codepipeline.repository must be a repository like acme/orders."
  }

  validation {
    condition     = var.codepipeline == null ? true : alltrue([for arn in var.codepipeline.role_arns : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:role/[^*?]+$", arn))])
    error_message = "codepipeline.role_arns must be ARNs of roles, without wildcards."
  }
}

variable "environments" {
  description = "The environments in this account and region whose functions may pull the images: each 2 to 12 lower-case letters and digits."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.environments) > 0 && alltrue([for name in var.environments : can(regex("^[a-z][a-z0-9]{1,11}$", name))])
    error_message = "environments must name at least one environment, each 2 to 12 lower-case letters and digits, beginning with a letter."
  }
}

variable "functions" {
  description = "Whether environments have functions beside the project's own, whose names begin with the environment's. Made from the settings `functions`."
  type        = bool
  default     = false
  nullable    = false
}

variable "noncurrent_version_days" {
  description = "After how many days the buckets drop versions that were replaced, and uploads that were never completed; 0 keeps them."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.noncurrent_version_days >= 0 && floor(var.noncurrent_version_days) == var.noncurrent_version_days
    error_message = "noncurrent_version_days must be a whole number of days, or 0."
  }
}

variable "previews" {
  description = "Whether previews of pull and merge requests are made here, whose images have a repository of their own. Made from the settings `previews`."
  type        = bool
  default     = false
  nullable    = false
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
  description = "The AWS region that holds everything here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be an AWS region like eu-west-1."
  }
}
