# The function may read exactly the secrets that it has references to. Their values are no part of Terraform's state.
locals {
  secrets = { for name, reference in var.secrets : name => {
    store = split(":", reference)[0]
    id    = join(":", slice(split(":", reference), 1, length(split(":", reference))))
  } }

  # Secrets Manager adds a hyphen and six characters to a name.
  secret_arns = {
    ssm = [for secret in values(local.secrets) :
      startswith(secret.id, "arn:") ? secret.id : "${local.arn_prefix}:ssm:${var.region}:${var.account}:parameter/${trimprefix(secret.id, "/")}"
      if secret.store == "ssm"
    ]
    secretsmanager = [for secret in values(local.secrets) :
      startswith(secret.id, "arn:") ? secret.id : "${local.arn_prefix}:secretsmanager:${var.region}:${var.account}:secret:${secret.id}-??????"
      if secret.store == "secretsmanager"
    ]
  }

  secret_stores = {
    ssm            = { action = "ssm:GetParameter", context = "PARAMETER_ARN", sid = "Parameters" }
    secretsmanager = { action = "secretsmanager:GetSecretValue", context = "SecretARN", sid = "Secrets" }
  }
}

data "aws_iam_policy_document" "secrets" {
  count = length(var.secrets) > 0 ? 1 : 0

  dynamic "statement" {
    for_each = { for store, arns in local.secret_arns : store => arns if length(arns) > 0 }

    content {
      sid       = "Read${local.secret_stores[statement.key].sid}"
      actions   = [local.secret_stores[statement.key].action]
      resources = statement.value
    }
  }

  # The key may serve others too: it decrypts these secrets alone, and only for the store that keeps them.
  dynamic "statement" {
    for_each = { for store, arns in local.secret_arns : store => arns if length(arns) > 0 && var.secrets_key != "" }

    content {
      sid       = "Decrypt${local.secret_stores[statement.key].sid}"
      actions   = ["kms:Decrypt"]
      resources = [var.secrets_key]

      condition {
        test     = "StringEquals"
        variable = "kms:ViaService"
        values   = ["${statement.key}.${var.region}.${data.aws_partition.this.dns_suffix}"]
      }

      condition {
        test     = "StringLike"
        variable = "kms:EncryptionContext:${local.secret_stores[statement.key].context}"
        values   = statement.value
      }
    }
  }
}

resource "aws_iam_role_policy" "secrets" {
  count = length(var.secrets) > 0 ? 1 : 0

  name   = "secrets"
  role   = aws_iam_role.function.id
  policy = data.aws_iam_policy_document.secrets[0].json
}
