# The module holds everything; what this environment needs besides may stand beside it.
module "foundation" {
  source = "../modules/foundation"

  account                 = var.account
  ci                      = var.ci
  codepipeline            = var.codepipeline
  environments            = var.environments
  functions               = var.functions
  noncurrent_version_days = var.noncurrent_version_days
  previews                = var.previews
  project                 = var.project
  region                  = var.region
}
