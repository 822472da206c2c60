# The project's own: what the function works on. invoke.yaml refers to it.
resource "aws_dynamodb_table" "orders" {
  name         = "${var.project}-${var.environment}-orders"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}
