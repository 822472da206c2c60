# The module holds everything; what the promotion of this project needs besides may stand beside it.
module "delivery" {
  source = "../modules/delivery"

  account              = var.account
  codepipeline         = var.codepipeline
  elsewhere            = var.elsewhere
  freezes              = var.freezes
  functions            = var.functions
  gate_alarms          = var.gate_alarms
  home                 = var.home
  judges_versions      = var.judges_versions
  log_retention_days   = var.log_retention_days
  notify               = var.notify
  packages             = var.packages
  permissions_boundary = var.permissions_boundary
  project              = var.project
  region               = var.region
  require              = var.require
  rungs                = var.rungs
  scan_threshold       = var.scan_threshold
}
