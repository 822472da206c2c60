output "alarm_names" {
  description = "The alarms that a deployment watches."
  value       = aws_codedeploy_deployment_group.live.alarm_configuration[0].alarms
}

output "alias_arn" {
  description = "The ARN of the alias: what callers and triggers name."
  value       = aws_lambda_alias.live.arn
}

output "alias_name" {
  description = "The alias that releases move."
  value       = aws_lambda_alias.live.name
}

output "codedeploy_application" {
  description = "The CodeDeploy application."
  value       = aws_codedeploy_app.this.name
}

output "codedeploy_deployment_group" {
  description = "The deployment group that shifts the alias."
  value       = aws_codedeploy_deployment_group.live.deployment_group_name
}

output "function_arn" {
  description = "The ARN of the function, without version or alias."
  value       = aws_lambda_function.this.arn
}

output "function_name" {
  description = "The function."
  value       = aws_lambda_function.this.function_name
}

output "function_url" {
  description = "The HTTPS address of the alias; null unless a trigger is a URL."
  value       = one([for url in aws_lambda_function_url.this : url.function_url])
}

output "http_api_url" {
  description = "The HTTPS address of the http-api trigger that has no name, or of the only one; null when there is none."
  value       = try("${aws_apigatewayv2_api.this["this"].api_endpoint}/", "${one(values(aws_apigatewayv2_api.this)).api_endpoint}/", null)
}

output "http_api_urls" {
  description = "The HTTPS addresses of the http-api triggers, by the triggers' names."
  value       = { for key, api in aws_apigatewayv2_api.this : key => "${api.api_endpoint}/" }
}

output "log_group" {
  description = "The function's log group."
  value       = aws_cloudwatch_log_group.function.name
}

output "provisioned_concurrency" {
  description = "How many execution environments are kept ready for the alias; 0 before its first release."
  value       = sum(concat([0], [for each in aws_lambda_provisioned_concurrency_config.live : each.provisioned_concurrent_executions]))
}

output "queue_url" {
  description = "The queue of the sqs trigger that has no name, or of the only one; null when there is none."
  value       = try(aws_sqs_queue.this["this"].url, one([for queue in aws_sqs_queue.this : queue.url]), null)
}

output "queue_urls" {
  description = "The queues of the sqs triggers, by the triggers' names."
  value       = { for key, queue in aws_sqs_queue.this : key => queue.url }
}

output "role_arn" {
  description = "The ARN of the role that the function runs as."
  value       = aws_iam_role.function.arn
}

output "role_name" {
  description = "The role that the function runs as; policies of your own may be attached to it."
  value       = aws_iam_role.function.name
}
