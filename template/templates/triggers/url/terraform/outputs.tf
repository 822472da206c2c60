output "function_url" {
  description = "The HTTPS address of the alias; null unless a trigger is a URL."
  value       = one([for url in aws_lambda_function_url.this : url.function_url])
}
