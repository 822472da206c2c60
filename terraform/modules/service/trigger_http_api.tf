locals {
  http_api_routes = merge([
    for key, each in var.triggers.http-api : merge(
      { for route in distinct(each.routes) : "${key} ${route}" => { api = key, authorization = each.authorization, route = route } },
      # $default takes the questions of browsers too (OPTIONS), and these come without a signature:
      # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-cors.html#http-api-cors-default-route
      { for route in ["OPTIONS /{proxy+}"] : "${key} ${route}" => { api = key, authorization = "none", route = route }
      if each.cors != null && each.authorization == "iam" && contains(each.routes, "$default") },
    )
  ]...)
}

resource "aws_apigatewayv2_api" "this" {
  for_each = var.triggers.http-api

  name          = each.key == "this" ? local.name : "${local.name}-${each.key}"
  description   = "Calls ${local.name} through its alias"
  protocol_type = "HTTP"

  dynamic "cors_configuration" {
    for_each = each.value.cors == null ? [] : [each.value.cors]

    content {
      allow_credentials = cors_configuration.value.allow_credentials
      allow_headers     = cors_configuration.value.allow_headers
      allow_methods     = cors_configuration.value.allow_methods
      allow_origins     = cors_configuration.value.allow_origins
      expose_headers    = cors_configuration.value.expose_headers
      max_age           = cors_configuration.value.max_age_seconds
    }
  }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = aws_apigatewayv2_api.this

  api_id                 = each.value.id
  integration_type       = "AWS_PROXY"
  integration_uri        = aws_lambda_alias.live.invoke_arn
  payload_format_version = "2.0"

  # API Gateway waits for 30 seconds at most.
  timeout_milliseconds = min(1000 * var.timeout_seconds, 30000)
}

resource "aws_apigatewayv2_route" "this" {
  for_each = local.http_api_routes

  api_id             = aws_apigatewayv2_api.this[each.value.api].id
  authorization_type = each.value.authorization == "iam" ? "AWS_IAM" : "NONE"
  route_key          = each.value.route
  target             = "integrations/${aws_apigatewayv2_integration.this[each.value.api].id}"
}

resource "aws_apigatewayv2_stage" "this" {
  for_each = var.triggers.http-api

  api_id      = aws_apigatewayv2_api.this[each.key].id
  name        = "$default"
  auto_deploy = true

  # One without the other would be sent as 0, which lets nobody in.
  dynamic "default_route_settings" {
    for_each = each.value.rate_limit > 0 ? [each.value] : []

    content {
      throttling_burst_limit = default_route_settings.value.burst_limit
      throttling_rate_limit  = default_route_settings.value.rate_limit
    }
  }
}

resource "aws_lambda_permission" "http_api" {
  for_each = aws_apigatewayv2_api.this

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.this.function_name
  principal     = "apigateway.amazonaws.com"
  qualifier     = aws_lambda_alias.live.name
  source_arn    = "${each.value.execution_arn}/*/*"
  statement_id  = each.key == "this" ? "HttpApi" : "HttpApi-${each.key}"
}
