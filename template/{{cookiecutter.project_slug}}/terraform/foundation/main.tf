# The module holds everything; what this environment needs besides may stand beside it.
module "foundation" {
  source = "../modules/foundation"

  account                 = var.account
  image_retention_count   = var.image_retention_count
  noncurrent_version_days = var.noncurrent_version_days
  project                 = var.project
  region                  = var.region
}
