# Terraform owns that the alias exists, releases own where it points. It begins on $LATEST, which is the image that the
# function was created with; the first release publishes version 1 and moves it there, and it never returns. CodeDeploy
# and AWS put weights on an alias for a while, which are no drift (terraform-provider-aws PR 48116).
resource "aws_lambda_alias" "live" {
  name             = "live"
  description      = "What callers get; moved by releases only"
  function_name    = aws_lambda_function.this.function_name
  function_version = "$LATEST"

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}
