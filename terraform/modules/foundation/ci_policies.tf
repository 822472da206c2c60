# The policies, by what they are for. A role has several of them (ci_identity.tf): each holds 6,144 characters at most.
locals {
  ci_location = length(local.ci_issuers) + length(local.ci_builds) == 0 ? [] : [var.region]

  ci_statements = merge(
    { for each in local.ci_location : "foundation-${var.region}" => local.ci_read_foundation },
    { for each in local.ci_location : "read-${var.region}" => local.ci_read_shared },
    { for each in local.ci_location : "status-${var.region}" => local.ci_read_releases },
    { for each in local.ci_location : "push-${var.region}" => [local.ci_push["image"], local.ci_read_logs] },
    { for each in local.ci_location : "answer-${var.region}" => local.ci_answer },
    { for each in local.ci_location : "promote-${var.region}" => concat(local.ci_promote, [local.ci_read_logs]) },
    { for each in local.ci_location : "delivery-${var.region}" => local.ci_apply_delivery },
    { for each in local.ci_location : "boundary-${var.region}" => local.ci_bounds if var.ci.boundary == "" },
    { for key in keys(local.ci_environments) : "read-${key}" => local.ci_read_service[key] },
    { for key in keys(local.ci_environments) : "review-${key}" => [local.ci_review[key]] },
    { for key in keys(local.ci_environments) : "apply-${key}" => local.ci_apply_service[key] },
    { for key in keys(local.ci_environments) : "triggers-${key}" => local.ci_apply_triggers[key] },
    { for key in keys(local.ci_environments) : "release-${key}" => local.ci_release_service[key] },
    { for role, statements in local.ci_build : "build-${role}" => statements },
    { for each in values(local.ci_codepipeline) : "pipeline-${var.region}" => local.ci_read_pipeline },
    { for each in local.ci_previews : "preview-read" => concat(local.ci_read_service[each], local.ci_read_preview) },
    { for each in local.ci_previews : "preview-apply" => local.ci_apply_service[each] },
    { for each in local.ci_previews : "preview-triggers" => local.ci_apply_triggers[each] },
    { for each in local.ci_previews : "preview-release" => concat(local.ci_release_service[each], [local.ci_push[each]], local.ci_forget_preview) },
  )

  # A preview reads no other environment's items of the ledger, and no other image.
  ci_read_preview = concat(
    [{
      Sid       = "ReadTheLedger"
      Action    = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      Resource  = [local.ci_table]
      Condition = { for test, keys in local.ci_own_items : test => { "dynamodb:LeadingKeys" = test == "Null" ? keys : ["command#pr-*", "digest#*", "env#pr-*", "previews", "root#*"] } }
    }],
    [merge(local.ci_read_logs, { Resource = [for end in ["", ":*"] : "${local.ci_regional.logs}:log-group:/aws/lambda/${var.project}-pr-*${end}"] })],
    [{
      Sid      = "ReadTheImage"
      Action   = ["ecr:DescribeImages", "ecr:GetRepositoryPolicy"]
      Resource = [local.ci_preview_image]
    }],
    local.ci_read_nameless,
  )

  # The state of a preview goes with it, in all its versions. Without ListBucket, S3 refuses to say that a state isn't there.
  ci_forget_preview = [
    { Sid = "FindStates", Action = ["s3:ListBucket"], Resource = [local.ci_state] },
    {
      Sid       = "FindVersions"
      Action    = ["s3:ListBucketVersions"]
      Resource  = [local.ci_artifacts, local.ci_state]
      Condition = { StringLike = { "s3:prefix" = ["plans/pr-*", "pr-*"] } }
    },
    {
      Sid      = "ForgetStates"
      Action   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      Resource = ["${local.ci_artifacts}/plans/pr-*", "${local.ci_state}/pr-*"]
    },
  ]

  # What no role may do that a job makes, whatever policies it is given: it can't change rights, take another role of this
  # account, or reach the states. A boundary of your own (ci.permissions_boundary) takes its place.
  ci_bounds = concat([
    { Sid = "Everything", Action = ["*"], Resource = ["*"] },
    { Effect = "Deny", Sid = "ChangeNoRights", Action = ["account:*", "iam:*", "organizations:*"], Resource = ["*"] },
    {
      Effect   = "Deny"
      Sid      = "TakeNoRoleOfThisAccount"
      Action   = ["sts:AssumeRole"]
      Resource = ["${local.ci_iam}:role/*"]
    },
    { Effect = "Deny", Sid = "ReachNoState", Action = ["s3:*"], Resource = [local.ci_state, "${local.ci_state}/*"] },
    {
      Effect   = "Deny"
      Sid      = "KeepTheFoundation"
      Action   = ["dynamodb:DeleteTable", "dynamodb:UpdateTable", "ecr:DeleteRepository", "ecr:SetRepositoryPolicy", "s3:DeleteBucket", "s3:DeleteBucketPolicy", "s3:PutBucketPolicy"]
      Resource = [local.ci_artifacts, local.ci_image, local.ci_table]
    },
    ],
    # A preview's job writes the policies of its function's role, and calls the function. So whatever that role reaches, a
    # pull request reaches: what is named as a preview's, and nothing else. The actions that are left out have no
    # resource to name: Lambda or CodeDeploy calls them with the role.
    [for each in local.ci_previews : {
      Effect      = "Deny"
      Sid         = "KeepPreviewsApart"
      Condition   = { ArnLike = { "aws:PrincipalArn" = ["${local.ci_iam}:role/${var.project}-pr-*"] } }
      NotAction   = concat(local.ci_network_actions, ["cloudwatch:DescribeAlarms", "dynamodb:ListStreams", "xray:PutTelemetryRecords", "xray:PutTraceSegments"])
      NotResource = local.ci_preview_resources
    }],
    # A build acts as a role that deploys, and whoever starts it may give it other lines or another commit. The pipeline does.
    [for each in values(local.ci_codepipeline) : {
      Effect    = "Deny"
      Sid       = "StartNoBuild"
      Action    = ["codebuild:RetryBuild", "codebuild:RetryBuildBatch", "codebuild:StartBuild", "codebuild:StartBuildBatch", "codebuild:UpdateProject", "codepipeline:StartPipelineExecution"]
      Condition = { ArnNotEquals = { "aws:PrincipalArn" = ["${local.ci_iam}:role/${var.project}-codepipeline"] } }
      Resource = concat(
        [for build in ["check", "deploy", "promote"] : "${local.ci_arn_prefix}:codebuild:${var.region}:${var.account}:project/${var.project}-pipeline-${build}"],
        ["${local.ci_arn_prefix}:codepipeline:${var.region}:${var.account}:${var.project}-pipeline"],
      )
    }],
  )

  ci_network_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]
  ci_preview_resources = concat(
    ["${local.bucket_arn_prefix}${var.project}-pr-*"],
    [for service, path in {
      dynamodb       = "table/${var.project}-"
      lambda         = "function:${var.project}-"
      logs           = "log-group:/aws/lambda/${var.project}-"
      secretsmanager = "secret:${var.project}/"
      sns            = "${var.project}-"
      sqs            = "${var.project}-"
      ssm            = "parameter/${var.project}/"
    } : "${local.ci_regional[service]}:${path}pr-*"],
  )

  ci_policies = { for name, statements in local.ci_statements : name => jsonencode({
    Version   = "2012-10-17"
    Statement = [for statement in statements : merge({ Effect = "Allow" }, statement)]
  }) if length(local.ci_issuers) > 0 || contains(local.ci_used, name) }
  ci_used = concat(["boundary-${var.region}"], flatten([for role in local.ci_roles : role.policies]))
}
