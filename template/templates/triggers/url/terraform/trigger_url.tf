locals {
  # Both kinds are one resource: a URL that is opened or closed keeps its address.
  trigger_urls = merge(
    { for key, each in var.triggers.url : key => merge(each, { authorization = "NONE" }) if var.trigger == "" },
    { for key, each in var.triggers.url-iam : key => merge(each, { authorization = "AWS_IAM" }) if var.trigger == "" },
    { for key in ["this"] : key => {
      authorization = var.trigger == "url" ? "NONE" : "AWS_IAM"
      cors          = null
      streaming     = false
    } if startswith(var.trigger, "url") },
  )
  public_urls = toset([for key, each in local.trigger_urls : key if each.authorization == "NONE"])
}

resource "aws_lambda_function_url" "this" {
  for_each = local.trigger_urls

  authorization_type = each.value.authorization
  function_name      = aws_lambda_function.this.function_name
  invoke_mode        = each.value.streaming ? "RESPONSE_STREAM" : "BUFFERED"
  qualifier          = aws_lambda_alias.live.name

  dynamic "cors" {
    for_each = each.value.cors == null ? [] : [each.value.cors]

    content {
      allow_credentials = cors.value.allow_credentials
      allow_headers     = cors.value.allow_headers
      allow_methods     = cors.value.allow_methods
      allow_origins     = cors.value.allow_origins
      expose_headers    = cors.value.expose_headers
      max_age           = cors.value.max_age_seconds
    }
  }
}

# A public URL needs two permissions (https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html). The provider adds
# the first by itself, but only when it makes the URL public at its creation.
resource "aws_lambda_permission" "url" {
  for_each = local.public_urls

  action                 = "lambda:InvokeFunctionUrl"
  function_name          = aws_lambda_function.this.function_name
  function_url_auth_type = "NONE"
  principal              = "*"
  qualifier              = aws_lambda_alias.live.name
  statement_id           = "PublicUrl"
}

# The second must hold for calls through the URL only, or anybody could call the function with an event of their own
# making. Before version 6.28 the provider can't say that (terraform-provider-aws#44858); CloudFormation can.
resource "aws_cloudformation_stack" "url" {
  for_each = local.public_urls

  name = "${local.name}-${each.key == "this" ? "url" : each.key}"
  template_body = jsonencode({
    Description = "Lets anybody call ${local.name} through its public URL, and only so"
    Resources = {
      InvokeThroughUrl = {
        Type = "AWS::Lambda::Permission"
        Properties = {
          Action                = "lambda:InvokeFunction"
          FunctionName          = local.alias_arn
          InvokedViaFunctionUrl = true
          Principal             = "*"
        }
      }
    }
  })

  depends_on = [aws_lambda_alias.live]
}
