output "http_api_url" {
  description = "The HTTPS address of the http-api trigger that has no name, or of the only one; null when there is none."
  value       = try("${aws_apigatewayv2_api.this["this"].api_endpoint}/", "${one(values(aws_apigatewayv2_api.this)).api_endpoint}/", null)
}

output "http_api_urls" {
  description = "The HTTPS addresses of the http-api triggers, by the triggers' names."
  value       = { for key, api in aws_apigatewayv2_api.this : key => "${api.api_endpoint}/" }
}
