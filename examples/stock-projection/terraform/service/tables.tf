# The project's own: the movements, whose stream calls the function, and the stock that it keeps.
resource "aws_dynamodb_table" "movements" {
  name             = "${var.project}-${var.environment}-movements"
  billing_mode     = "PAY_PER_REQUEST"
  hash_key         = "id"
  stream_enabled   = true
  stream_view_type = "NEW_IMAGE"

  attribute {
    name = "id"
    type = "S"
  }
}

resource "aws_dynamodb_table" "stock" {
  name         = "${var.project}-${var.environment}-stock"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "id"

  attribute {
    name = "id"
    type = "S"
  }
}
