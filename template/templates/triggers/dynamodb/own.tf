# The table whose changes call the function. The stream's reader follows from `triggers` in invoke.yaml.
resource "aws_dynamodb_table" "guests" {
  name             = "${var.project}-${var.environment}-guests"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "id"
  stream_enabled   = true
  stream_view_type = "NEW_AND_OLD_IMAGES"

  attribute {
    name = "id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}

output "table_name" {
  description = "The table whose changes call the function."
  value       = aws_dynamodb_table.guests.name
}
