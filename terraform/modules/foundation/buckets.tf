# Two buckets of one shape. The S3-native state lock (use_lockfile) is an object beside the state: it needs nothing else.
# stepladder/core/names.py derives the same names: change both.
locals {
  buckets = {
    artifacts = "${var.project}-artifacts-${var.account}-${var.region}"
    state     = "${var.project}-tfstate-${var.account}-${var.region}"
  }

  # Built, not read: so the plan of a pull request shows the policies in full.
  bucket_arn_prefix = "arn:${data.aws_partition.this.partition}:s3:::"
}

resource "aws_s3_bucket" "this" {
  for_each = local.buckets

  bucket = each.value

  lifecycle {
    prevent_destroy = true
  }
}

resource "aws_s3_bucket_versioning" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_public_access_block" "this" {
  for_each = local.buckets

  bucket                  = aws_s3_bucket.this[each.key].id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id

  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

# Not there by default: the provider waits 55 seconds for it, whatever S3 answers (terraform-provider-aws#23352, #41764),
# and old versions of states are small, and worth having on the day that one is lost. Where CI's roles keep plans for
# their review, those expire: a plan file holds secrets in clear.
resource "aws_s3_bucket_lifecycle_configuration" "this" {
  for_each = { for key, name in local.buckets : key => name if var.noncurrent_version_days > 0 || (key == "artifacts" && length(local.ci_issuers) > 0) }

  bucket = aws_s3_bucket.this[each.key].id

  dynamic "rule" {
    for_each = var.noncurrent_version_days > 0 ? [var.noncurrent_version_days] : []

    content {
      id     = "expire-what-was-replaced"
      status = "Enabled"

      filter {}

      abort_incomplete_multipart_upload {
        days_after_initiation = 7
      }

      noncurrent_version_expiration {
        noncurrent_days = rule.value
      }
    }
  }

  # stepladder/terraform/kept.py takes no older plan for a reviewed one: change both.
  dynamic "rule" {
    for_each = each.key == "artifacts" && length(local.ci_issuers) > 0 ? [14] : []

    content {
      id     = "expire-reviewed-plans"
      status = "Enabled"

      filter {
        prefix = "plans/"
      }

      expiration {
        days = rule.value
      }

      noncurrent_version_expiration {
        noncurrent_days = 1
      }
    }
  }

  # S3 refuses a rule for noncurrent versions until it has seen the versioning.
  depends_on = [aws_s3_bucket_versioning.this]
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.buckets

  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = ["${local.bucket_arn_prefix}${each.value}", "${local.bucket_arn_prefix}${each.value}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "this" {
  for_each = local.buckets

  bucket = aws_s3_bucket.this[each.key].id
  policy = data.aws_iam_policy_document.tls_only[each.key].json

  # Two writers of one bucket's access settings at once get OperationAborted from S3.
  depends_on = [aws_s3_bucket_public_access_block.this]
}
