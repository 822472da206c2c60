# What is left null takes the default of the module, which also checks every value.

variable "account" {
  description = "The AWS account that holds everything here: 12 digits."
  type        = string
}

variable "ci" {
  description = "Whose CI jobs may act here, and as what: made from the settings `ci`. Without issuers nothing is made."
  type = object({
    boundary = optional(string)
    environments = optional(map(object({
      buckets   = list(string)
      http_api  = bool
      promoted  = bool
      queues    = list(string)
      rules     = list(string)
      schedules = list(string)
      stacks    = list(string)
      topics    = list(string)
    })))
    issuers = optional(map(object({
      audience = string
      provider = string
      subjects = object({
        branch        = list(string)
        environments  = map(list(string))
        pull_requests = list(string)
      })
      url = string
    })))
    previews = optional(bool)
    primary  = optional(bool)
  })
  default = null
}

variable "codepipeline" {
  description = "AWS's own pipeline of this place: the connection to the forge, and what its builds may reach; null for none. Made from the settings `codepipeline`."
  type = object({
    connection_arn = optional(string)
    deploys        = string
    promotes       = string
    provider       = optional(string)
    repository     = string
    role_arns      = optional(list(string))
  })
  default = null
}

variable "environments" {
  description = "The environments in this account and region whose functions may pull the images: each 2 to 12 lower-case letters and digits."
  type        = list(string)
}

variable "functions" {
  description = "Whether environments have functions beside the project's own, whose names begin with the environment's. Made from the settings `functions`."
  type        = bool
  default     = null
}

variable "noncurrent_version_days" {
  description = "After how many days the buckets drop versions that were replaced, and uploads that were never completed; 0 keeps them."
  type        = number
  default     = null
}

variable "previews" {
  description = "Whether previews of pull and merge requests are made here, whose images have a repository of their own. Made from the settings `previews`."
  type        = bool
  default     = null
}

variable "project" {
  description = "The project: it begins every name. At most 24 lower-case letters, digits and single hyphens."
  type        = string
}

variable "region" {
  description = "The AWS region that holds everything here."
  type        = string
}
