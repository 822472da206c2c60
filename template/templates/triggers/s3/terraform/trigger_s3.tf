locals {
  # By how the bucket is written, which a plan knows before the bucket is made.
  trigger_buckets = {
    for label in distinct(flatten([for each in var.triggers.s3 : keys(each.bucket)])) :
    label => [
      for key, each in var.triggers.s3 : merge(each, { id = key == "this" ? local.name : "${local.name}-${key}" })
      if contains(keys(each.bucket), label)
    ]
  }
}

# A bucket has one configuration of notifications, which this replaces as a whole.
resource "aws_s3_bucket_notification" "this" {
  for_each = local.trigger_buckets

  bucket = each.value[0].bucket[each.key]

  dynamic "lambda_function" {
    for_each = each.value

    content {
      id                  = lambda_function.value.id
      events              = lambda_function.value.events
      filter_prefix       = lambda_function.value.prefix
      filter_suffix       = lambda_function.value.suffix
      lambda_function_arn = aws_lambda_alias.live.arn
    }
  }

  # S3 sends a test when this is made.
  depends_on = [aws_lambda_permission.s3]
}

# A bucket's ARN has no account, and a name that was given up can be somebody else's.
resource "aws_lambda_permission" "s3" {
  for_each = local.trigger_buckets

  action         = "lambda:InvokeFunction"
  function_name  = aws_lambda_function.this.function_name
  principal      = "s3.amazonaws.com"
  qualifier      = aws_lambda_alias.live.name
  source_account = var.account
  source_arn     = "${local.arn_prefix}:s3:::${each.value[0].bucket[each.key]}"
  statement_id   = "S3-${substr(sha256(each.key), 0, 12)}"
}
