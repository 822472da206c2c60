# What is left null takes the default of the module, which also checks every value.

variable "account" {
  description = "The AWS account that holds everything here: 12 digits."
  type        = string
}

variable "environments" {
  description = "The environments in this account and region whose functions may pull the images: each 2 to 12 lower-case letters and digits."
  type        = list(string)
}

variable "noncurrent_version_days" {
  description = "After how many days the buckets drop versions that were replaced, and uploads that were never completed; 0 keeps them."
  type        = number
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
