# What CI jobs may do with the bucket that terraform/service/bucket.tf makes: their roles know nothing of it. A job that plans
# reads it, one that deploys makes and changes it, and only that of previews destroys its own. Without roles nothing is made.
locals {
  bucket_reads = [
    "s3:GetAccelerateConfiguration", "s3:GetBucketAcl", "s3:GetBucketCORS", "s3:GetBucketLogging",
    "s3:GetBucketNotification", "s3:GetBucketObjectLockConfiguration", "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock", "s3:GetBucketRequestPayment", "s3:GetBucketTagging", "s3:GetBucketVersioning",
    "s3:GetBucketWebsite", "s3:GetEncryptionConfiguration", "s3:GetLifecycleConfiguration",
    "s3:GetReplicationConfiguration", "s3:ListBucket", "s3:ListTagsForResource",
  ]
  bucket_writes = [ # Terraform makes the bucket with the ACL `private`
    "s3:CreateBucket", "s3:PutBucketAcl", "s3:PutBucketNotification", "s3:PutBucketPublicAccessBlock",
    "s3:PutBucketTagging", "s3:TagResource", "s3:UntagResource",
  ]
  bucket_deletes = ["s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:ListBucketVersions"]
}

data "aws_partition" "bucket" {}

resource "aws_iam_role_policy" "bucket" {
  # plan-staging, deploy-staging and so on, where an environment's name has no hyphen; and one role for all previews.
  for_each = {
    for role in keys(module.foundation.ci_role_arns) : role => role == "preview" ? "pr-*" : split("-", role)[1]
    if can(regex("^((plan|deploy)-|preview$)", role))
  }

  name = "bucket"
  role = "${var.project}-ci-${each.key}"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow"
      Action = concat(local.bucket_reads, startswith(each.key, "plan-") ? [] : local.bucket_writes, each.key == "preview" ? local.bucket_deletes : [])
      Resource = [
        for end in each.key == "preview" ? ["", "/*"] : [""] :
        "arn:${data.aws_partition.bucket.partition}:s3:::${var.project}-${each.value}-uploads-${var.account}${end}"
      ]
    }]
  })
}
