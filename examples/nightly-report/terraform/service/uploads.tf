# The project's own: where uploads and reports are kept. invoke.yaml refers to it.
resource "aws_s3_bucket" "uploads" {
  bucket = "${var.project}-${var.environment}-${var.account}-uploads"
}

resource "aws_s3_bucket_public_access_block" "uploads" {
  bucket = aws_s3_bucket.uploads.id

  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}
