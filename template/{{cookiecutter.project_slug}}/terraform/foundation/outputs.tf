output "artifacts_bucket" {
  description = "The bucket of plans, reports and pipeline function packages."
  value       = module.foundation.artifacts_bucket
}

output "ci_role_arns" {
  description = "The ARNs of the roles of CI jobs, by what they are for: plan-staging, deploy-staging and so on."
  value       = module.foundation.ci_role_arns
}

output "connection_arn" {
  description = "The pipeline's connection to the forge, which a person completes in the console; null without a pipeline."
  value       = module.foundation.connection_arn
}

output "ledger_table" {
  description = "The DynamoDB table of releases and locks."
  value       = module.foundation.ledger_table
}

output "ledger_table_arn" {
  description = "The ARN of the ledger."
  value       = module.foundation.ledger_table_arn
}

output "repository_arn" {
  description = "The ARN of the ECR repository."
  value       = module.foundation.repository_arn
}

output "repository_url" {
  description = "The ECR repository as images name it, without tag or digest."
  value       = module.foundation.repository_url
}

output "state_bucket" {
  description = "The bucket of Terraform states."
  value       = module.foundation.state_bucket
}
