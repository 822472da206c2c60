# What is left null takes the default of the module, which also checks every value.

variable "account" {
  description = "The AWS account that holds the pipeline and the rungs of this place: 12 digits."
  type        = string
}

variable "codepipeline" {
  description = "AWS's own pipeline, in the place of the lowest rung: the repository whose pushes start it, and its builds; null for none. `stepladder.codepipeline` of the settings makes it."
  type = object({
    api             = string
    arm             = optional(bool)
    branch          = optional(string)
    compute_type    = optional(string)
    connection_arn  = optional(string)
    docker          = optional(bool)
    image           = string
    provider        = optional(string)
    python          = string
    repository      = string
    setup           = optional(list(string))
    timeout_minutes = optional(number)
  })
  default = null
}

variable "elsewhere" {
  description = "The environments of `rungs` that are in another account or region, which this place asks to release them there."
  type = map(object({
    account = string
    region  = string
  }))
  default = null
}

variable "freezes" {
  description = "The windows of time in which environments get no release, as JSON; empty without any. The settings promotion.freeze and promotion.rungs.<environment>.freeze make it."
  type        = string
  default     = null
}

variable "functions" {
  description = "The functions of each environment: whether the project's own is one (`main`), and the names of those beside it. Made from the settings `functions`; without names there is its own only."
  type = object({
    main  = optional(bool)
    names = optional(list(string))
  })
  default = null
}

variable "gate_alarms" {
  description = "Names or ARNs of alarms of the project's own by environment, which must not fire before a release there or during one."
  type        = map(list(string))
  default     = null
}

variable "home" {
  description = "The place of the lowest rung, whose relay may ask this place to release; null for that place itself."
  type = object({
    account = string
    region  = string
  })
  default = null
}

variable "judges_versions" {
  description = "Whether a rung compares versions, or counts a version's requests: then verify may read CloudWatch's metrics and the answers to a canary's question. Made from the settings `promotion.canary` and `promotion.bake_requests`."
  type        = bool
  default     = null
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the pipeline's logs."
  type        = number
  default     = null
}

variable "notify" {
  description = "E-mail addresses that hear of approvals wanted and of promotions that ended; each must confirm once."
  type        = list(string)
  default     = null
}

variable "packages" {
  description = "The deployment packages of relay, rollback, validate and verify in the artifacts bucket, and of check where smoke cases name checks: `key` names the content, `sha256` is its hash in base64."
  type = map(object({
    key    = string
    sha256 = string
  }))
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

variable "region" {
  description = "The AWS region of the pipeline and the rungs of this place: a Step Functions task calls only its own."
  type        = string
}

variable "require" {
  description = "What has to refer to an image in the registry before it is released: sbom, provenance, signature."
  type        = list(string)
  default     = null
}

variable "rungs" {
  description = "The ladder, lowest rung first: the environments of each rung, which are released together. All of it for the place of the lowest rung, else what of it is in this place."
  type        = list(list(string))
}

variable "scan_threshold" {
  description = "The lowest severity of a scan finding that stops a promotion: CRITICAL, HIGH, MEDIUM, LOW, or OFF to promote without a scan."
  type        = string
  default     = null
}
