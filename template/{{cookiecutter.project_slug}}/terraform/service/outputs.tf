output "alarm_names" {
  description = "The alarms that a deployment watches."
  value       = module.service.alarm_names
}

output "alias_arn" {
  description = "The ARN of the alias: what callers and triggers name."
  value       = module.service.alias_arn
}

output "alias_name" {
  description = "The alias that releases move."
  value       = module.service.alias_name
}

output "codedeploy_application" {
  description = "The CodeDeploy application."
  value       = module.service.codedeploy_application
}

output "codedeploy_deployment_group" {
  description = "The deployment group that shifts the alias."
  value       = module.service.codedeploy_deployment_group
}

output "function_arn" {
  description = "The ARN of the function, without version or alias."
  value       = module.service.function_arn
}

output "function_name" {
  description = "The function."
  value       = module.service.function_name
}

output "function_url" {
  description = "The HTTPS address of the alias; null unless a trigger is a URL."
  value       = module.service.function_url
}

output "http_api_url" {
  description = "The HTTPS address of the http-api trigger that has no name, or of the only one; null when there is none."
  value       = module.service.http_api_url
}

output "http_api_urls" {
  description = "The HTTPS addresses of the http-api triggers, by the triggers' names."
  value       = module.service.http_api_urls
}

output "log_group" {
  description = "The function's log group."
  value       = module.service.log_group
}

output "provisioned_concurrency" {
  description = "How many execution environments are kept ready for the alias; 0 before its first release."
  value       = module.service.provisioned_concurrency
}

output "queue_url" {
  description = "The queue of the sqs trigger that has no name, or of the only one; null when there is none."
  value       = module.service.queue_url
}

output "queue_urls" {
  description = "The queues of the sqs triggers, by the triggers' names."
  value       = module.service.queue_urls
}

output "role_arn" {
  description = "The ARN of the role that the function runs as."
  value       = module.service.role_arn
}

output "role_name" {
  description = "The role that the function runs as; policies of your own may be attached to it."
  value       = module.service.role_name
}
