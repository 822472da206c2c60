# Who may act as which role: jobs of one repository, by the subject of their token. Without `ci` nothing of it is made.
locals {
  ci_issuers    = var.ci.issuers
  ci_previews   = var.ci.previews ? ["preview"] : []
  ci_arn_prefix = "arn:${data.aws_partition.this.partition}"

  # An issuer's name in IAM is its address without https://, and a key of a condition begins with it.
  ci_hosts     = { for name, issuer in local.ci_issuers : name => trimprefix(issuer.url, "https://") }
  ci_providers = { for name, host in local.ci_hosts : name => "${local.ci_arn_prefix}:iam::${var.account}:oidc-provider/${host}" }

  # Each role: who may act as it, in the words of the forge, and the policies that it has (ci_policies.tf).
  ci_every_role = merge(
    { for name in keys(local.ci_environments) : "plan-${name}" => {
      description = "Reads what a plan of ${name} reads, and keeps the plan for its review"
      subjects    = { for forge, issuer in local.ci_issuers : forge => concat(issuer.subjects.branch, issuer.subjects.pull_requests) }
      policies    = ["foundation-${var.region}", "read-${var.region}", "status-${var.region}", "read-${name}", "review-${name}"]
    } },
    { for name, environment in local.ci_environments : "deploy-${name}" => {
      description = "Applies ${name}, and releases there"
      subjects    = { for forge, issuer in local.ci_issuers : forge => issuer.subjects.environments[name] }
      policies = concat(
        ["foundation-${var.region}", "read-${var.region}", "status-${var.region}", "read-${name}", "apply-${name}", "triggers-${name}"],
        environment.promoted ? ["promote-${var.region}", "delivery-${var.region}"] : ["push-${var.region}", "release-${name}"],
        environment.promoted && !var.ci.primary ? ["push-${var.region}"] : [], # a promoted image comes as a copy there
      )
    } },
    { for name in keys(local.ci_environments) : "release-${name}" => {
      description = "Releases, approves and rolls back in ${name}, without Terraform"
      subjects    = { for forge, issuer in local.ci_issuers : forge => issuer.subjects.environments["${name}-approval"] }
      policies    = ["status-${var.region}", "release-${name}", "answer-${var.region}", "promote-${var.region}"]
    } },
    { for each in local.ci_previews : each => {
      description = "Makes and destroys previews, which are named pr-, and reaches nothing else"
      subjects    = { for forge, issuer in local.ci_issuers : forge => concat(issuer.subjects.branch, issuer.subjects.pull_requests) }
      policies    = ["preview-read", "preview-apply", "preview-triggers", "preview-release"]
    } },
  )

  # Without a forge's jobs there is only what a build of the pipeline acts as (ci_codepipeline.tf).
  ci_roles = { for name, role in local.ci_every_role : name => {
    description = role.description
    subjects    = role.subjects
    policies = concat(
      role.policies,
      [for build in keys(local.ci_builds) : "build-${name}" if build == name],
      [for each in values(local.ci_codepipeline) : "pipeline-${var.region}" if startswith(name, "plan-") || startswith(name, "deploy-")],
    )
  } if length(local.ci_issuers) > 0 || contains(keys(local.ci_builds), name) }

  ci_boundary = var.ci.boundary == "" ? "${local.ci_arn_prefix}:iam::${var.account}:policy/${var.project}-ci-boundary-${var.region}" : var.ci.boundary
}

# An account has one provider for each issuer: that of another project, or of this one in another region, is used as it is.
resource "aws_iam_openid_connect_provider" "ci" {
  for_each = { for name, issuer in local.ci_issuers : name => issuer if issuer.provider == "create" }

  url            = each.value.url
  client_id_list = [each.value.audience]
}

data "aws_iam_openid_connect_provider" "ci" {
  for_each = { for name, issuer in local.ci_issuers : name => issuer if issuer.provider == "existing" }

  arn = local.ci_providers[each.key]

  lifecycle {
    postcondition {
      condition     = contains(self.client_id_list, each.value.audience)
      error_message = "The account's identity provider ${local.ci_providers[each.key]} takes no tokens for ${each.value.audience}: add that audience to it (aws iam add-client-id-to-open-id-connect-provider)."
    }
  }
}

# Names are compared whole. A pattern stands only where the name is nobody's to know: a merge request's own branch.
data "aws_iam_policy_document" "ci_trust" {
  for_each = local.ci_roles

  # A pattern stands for the branch of a merge request, which nobody knows before. Every other subject is whole.
  dynamic "statement" {
    for_each = [
      for trusted in [
        for pair in setproduct(["StringEquals", "StringLike"], keys(each.value.subjects)) : {
          forge    = pair[1]
          subjects = [for subject in each.value.subjects[pair[1]] : subject if endswith(subject, "*") == (pair[0] == "StringLike")]
          test     = pair[0]
        }
      ] : trusted if length(trusted.subjects) > 0
    ]

    content {
      actions = ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"]

      principals {
        type        = "Federated"
        identifiers = [local.ci_providers[statement.value.forge]]
      }

      condition {
        test     = "StringEquals"
        variable = "${local.ci_hosts[statement.value.forge]}:aud"
        values   = [local.ci_issuers[statement.value.forge].audience]
      }

      condition {
        test     = statement.value.test
        variable = "${local.ci_hosts[statement.value.forge]}:sub"
        values   = statement.value.subjects
      }
    }
  }

  # https://docs.aws.amazon.com/codebuild/latest/userguide/cross-service-confused-deputy-prevention.html
  dynamic "statement" {
    for_each = { for role, projects in local.ci_build_projects : role => projects if role == each.key }

    content {
      actions = ["sts:AssumeRole"]

      principals {
        type        = "Service"
        identifiers = ["codebuild.amazonaws.com"]
      }

      condition {
        test     = "ArnEquals"
        variable = "aws:SourceArn"
        values   = statement.value
      }
    }
  }
}

resource "aws_iam_role" "ci" {
  for_each = local.ci_roles

  name                 = "${var.project}-ci-${each.key}"
  description          = each.value.description
  assume_role_policy   = data.aws_iam_policy_document.ci_trust[each.key].json
  max_session_duration = 7200 # a promotion waits for alarms
  permissions_boundary = var.ci.boundary == "" ? null : var.ci.boundary

  # IAM takes no role that trusts a provider which isn't there.
  depends_on = [aws_iam_openid_connect_provider.ci, data.aws_iam_openid_connect_provider.ci]
}

resource "aws_iam_policy" "ci" {
  for_each = local.ci_policies

  name        = "${var.project}-ci-${each.key}"
  description = "What roles of ${var.project}'s CI jobs may do: ${each.key}"
  policy      = each.value

  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  lifecycle {
    precondition {
      condition     = length(each.value) <= 6144
      error_message = "The policy ${var.project}-ci-${each.key} takes ${length(each.value)} of the 6,144 characters that IAM allows it: move environments to another account or region, or give triggers shorter names."
    }
  }
}

resource "aws_iam_role_policy_attachment" "ci" {
  for_each = merge([for role, values in local.ci_roles : { for policy in values.policies : "${role}:${policy}" => { role = role, policy = policy } }]...)

  role       = aws_iam_role.ci[each.value.role].name
  policy_arn = aws_iam_policy.ci[each.value.policy].arn
}
