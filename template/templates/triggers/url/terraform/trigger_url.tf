resource "aws_lambda_function_url" "this" {
  for_each = toset(startswith(var.trigger, "url") ? ["this"] : [])

  authorization_type = var.trigger == "url" ? "NONE" : "AWS_IAM"
  function_name      = aws_lambda_function.this.function_name
  qualifier          = aws_lambda_alias.live.name
}

# A public URL needs two permissions (https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html). The provider adds
# the first by itself, but only when it makes the URL public at its creation.
resource "aws_lambda_permission" "url" {
  for_each = toset(var.trigger == "url" ? ["this"] : [])

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
  for_each = toset(var.trigger == "url" ? ["this"] : [])

  name = "${local.name}-url"
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
