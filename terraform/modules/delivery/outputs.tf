output "pipeline_name" {
  description = "The pipeline of CodePipeline; null without one."
  value       = one([for pipeline in aws_codepipeline.promotion : pipeline.name])
}

output "relay_function_arn" {
  description = "The function that carries a promotion to targets in other accounts and regions."
  value       = aws_lambda_function.pipeline["relay"].arn
}

output "rollback_function_arn" {
  description = "The function that restores an alias, and recovers an execution that was stopped from outside."
  value       = aws_lambda_function.pipeline["rollback"].arn
}

output "state_machine_alias_arn" {
  description = "What executions are started on."
  value       = aws_sfn_alias.live.arn
}

output "state_machine_arn" {
  description = "The promotion state machine."
  value       = aws_sfn_state_machine.promotion.arn
}

output "topic_arn" {
  description = "The topic that gets a message for each approval that is wanted and each promotion that ended."
  value       = aws_sns_topic.promotion.arn
}

output "validate_function_arn" {
  description = "The function that decides whether a digest may be promoted."
  value       = aws_lambda_function.pipeline["validate"].arn
}

output "verify_function_arn" {
  description = "The function that runs the smoke cases; CodeDeploy's hook as well."
  value       = aws_lambda_function.pipeline["verify"].arn
}
