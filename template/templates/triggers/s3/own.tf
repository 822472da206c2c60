# The bucket whose objects call the function. Its notification follows from `triggers` in invoke.yaml.
resource "aws_s3_bucket" "uploads" {
  bucket = "${var.project}-${var.environment}-uploads-${var.account}"
}

resource "aws_s3_bucket_public_access_block" "uploads" {
  bucket                  = aws_s3_bucket.uploads.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

output "bucket" {
  description = "The bucket whose objects call the function."
  value       = aws_s3_bucket.uploads.bucket
}
