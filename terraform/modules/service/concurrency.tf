# Environments that Lambda keeps ready for the alias: they follow it when a release moves it. AWS makes none for
# $LATEST, where the alias is before its first release: the first apply after that one makes them.
locals {
  provisioned = var.provisioned_concurrency > 0 && aws_lambda_alias.live.function_version != "$LATEST"
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  for_each = toset(local.provisioned ? ["this"] : [])

  function_name                     = aws_lambda_function.this.function_name
  provisioned_concurrent_executions = var.provisioned_concurrency
  qualifier                         = aws_lambda_alias.live.name
}
