output "pipeline_name" {
  description = "The pipeline of CodePipeline; null without one."
  value       = module.delivery.pipeline_name
}

output "relay_function_arn" {
  description = "The function that carries a promotion to targets in other accounts and regions."
  value       = module.delivery.relay_function_arn
}

output "rollback_function_arn" {
  description = "The function that restores an alias, and recovers an execution that was stopped from outside."
  value       = module.delivery.rollback_function_arn
}

output "state_machine_alias_arn" {
  description = "What executions are started on."
  value       = module.delivery.state_machine_alias_arn
}

output "state_machine_arn" {
  description = "The promotion state machine."
  value       = module.delivery.state_machine_arn
}

output "topic_arn" {
  description = "The topic that gets a message for each approval that is wanted and each promotion that ended."
  value       = module.delivery.topic_arn
}

output "validate_function_arn" {
  description = "The function that decides whether a digest may be promoted."
  value       = module.delivery.validate_function_arn
}

output "verify_function_arn" {
  description = "The function that runs the smoke cases; CodeDeploy's hook as well."
  value       = module.delivery.verify_function_arn
}
