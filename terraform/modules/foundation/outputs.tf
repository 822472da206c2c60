output "artifacts_bucket" {
  description = "The bucket of plans, reports and pipeline function packages."
  value       = aws_s3_bucket.this["artifacts"].bucket
}

output "ci_role_arns" {
  description = "The ARNs of the roles of CI jobs, by what they are for: plan-staging, deploy-staging and so on."
  value       = { for name, role in aws_iam_role.ci : name => role.arn }
}

output "connection_arn" {
  description = "The pipeline's connection to the forge, which a person completes in the console; null without a pipeline."
  value       = one(values(local.ci_connections))
}

output "ledger_table" {
  description = "The DynamoDB table of releases and locks."
  value       = aws_dynamodb_table.ledger.name
}

output "ledger_table_arn" {
  description = "The ARN of the ledger."
  value       = aws_dynamodb_table.ledger.arn
}

output "repository_arn" {
  description = "The ARN of the ECR repository."
  value       = aws_ecr_repository.this.arn
}

output "repository_url" {
  description = "The ECR repository as images name it, without tag or digest."
  value       = aws_ecr_repository.this.repository_url
}

output "state_bucket" {
  description = "The bucket of Terraform states."
  value       = aws_s3_bucket.this["state"].bucket
}
