# The module holds everything; what this environment needs besides may stand beside it.
module "foundation" {
  source = "../modules/foundation"

  account               = var.account
  image_retention_count = var.image_retention_count
  project               = var.project
  region                = var.region
}
