# The module holds everything; what this environment needs besides may stand beside it.
module "service" {
  source = "../modules/service"

  account                 = var.account
  alarms                  = var.alarms
  architecture            = var.architecture
  async                   = var.async
  deployment              = var.deployment
  environment             = var.environment
  environment_variables   = var.environment_variables
  ephemeral_storage_mb    = var.ephemeral_storage_mb
  gate_alarms             = var.gate_alarms
  handler                 = var.handler
  image_uri               = var.image_uri
  log_level               = var.log_level
  log_retention_days      = var.log_retention_days
  managed_policies        = var.managed_policies
  memory_mb               = var.memory_mb
  permissions             = var.permissions
  permissions_boundary    = var.permissions_boundary
  project                 = var.project
  provisioned_concurrency = var.provisioned_concurrency
  queue                   = var.queue
  region                  = var.region
  reserved_concurrency    = var.reserved_concurrency
  schedule                = var.schedule
  secrets                 = var.secrets
  secrets_key             = var.secrets_key
  timeout_seconds         = var.timeout_seconds
  tracing                 = var.tracing
  trigger                 = var.trigger
  triggers                = var.triggers
  vpc                     = var.vpc
}
