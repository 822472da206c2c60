# AWS's own pipeline, which the delivery makes where the settings ask for it. The connection to the forge and the roles of
# its builds are here, where no job can change them: a build acts as the role that the forge's job of the same lines has.
locals {
  ci_codepipeline = var.codepipeline == null ? {} : { it = var.codepipeline }

  # The builds that act as a role. The lowest rung may be the highest one here.
  ci_builds = { for role in distinct(flatten([for each in local.ci_codepipeline : ["deploy-${each.deploys}", "deploy-${each.promotes}"]])) : role => compact(flatten([
    for each in local.ci_codepipeline : [role == "deploy-${each.deploys}" ? "deploy" : "", role == "deploy-${each.promotes}" ? "promote" : ""]
  ])) }
  ci_build_projects = { for role, builds in local.ci_builds : role => [
    for build in builds : "${local.ci_arn_prefix}:codebuild:${var.region}:${var.account}:project/${var.project}-pipeline-${build}"
  ] }

  ci_connections         = { for key, each in local.ci_codepipeline : key => each.connection_arn == "" ? aws_codeconnections_connection.forge[key].arn : each.connection_arn }
  ci_connection_services = { for key, each in local.ci_codepipeline : key => each.connection_arn == "" ? "codeconnections" : split(":", each.connection_arn)[2] }

  # Besides what its lines do, a build writes its log, clones the repository, and passes the promotion's input on.
  ci_build = { for role, builds in local.ci_builds : role => concat(
    [
      {
        Sid      = "WriteOwnLog"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = [for build in builds : "${local.ci_regional.logs}:log-group:/aws/codebuild/${var.project}-pipeline-${build}:log-stream:*"]
      },
      {
        Sid       = "CloneTheRepository"
        Action    = ["${local.ci_connection_services["it"]}:UseConnection"]
        Resource  = [local.ci_connections["it"]]
        Condition = { StringEquals = { "${local.ci_connection_services["it"]}:FullRepositoryId" = [var.codepipeline.repository] } }
      },
      {
        Sid      = "PassArtifactsOn"
        Action   = concat(["s3:GetObject", "s3:GetObjectVersion"], [for build in builds : "s3:PutObject" if build == "promote"])
        Resource = ["${local.ci_artifacts}/${substr("${var.project}-pipeline", 0, 20)}/*"]
      },
    ],
    [for each in [var.codepipeline.role_arns] : { Sid = "ActInEnvironments", Action = ["sts:AssumeRole"], Resource = each } if length(each) > 0],
  ) }

  # A plan of the delivery reads the pipeline. A person changes it: whoever could change a build could act as its role.
  ci_read_pipeline = flatten([for each in local.ci_codepipeline : [
    {
      Sid      = "ReadTheDeliverysPipeline"
      Action   = ["codepipeline:GetPipeline", "codepipeline:ListTagsForResource"]
      Resource = ["${local.ci_arn_prefix}:codepipeline:${var.region}:${var.account}:${var.project}-pipeline"]
    },
    {
      Sid      = "ReadBuilds"
      Action   = ["codebuild:BatchGetProjects"]
      Resource = [for build in ["check", "deploy", "promote"] : "${local.ci_arn_prefix}:codebuild:${var.region}:${var.account}:project/${var.project}-pipeline-${build}"]
    },
    {
      Sid      = "FindTheConnection"
      Action   = ["codestar-connections:GetConnection", "codestar-connections:ListConnections", "codestar-connections:ListTagsForResource", "codeconnections:GetConnection", "codeconnections:ListConnections", "codeconnections:ListTagsForResource"]
      Resource = ["*"] # ListConnections has no resource to name
    },
    {
      Sid      = "ReadThePipelinesRules"
      Action   = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
      Resource = [for what in ["failed", "succeeded"] : "${local.ci_regional.events}:rule/${var.project}-pipeline-${what}"]
    },
    {
      Sid      = "ReadThePipelinesRoles"
      Action   = local.ci_read_role_actions
      Resource = [for role in ["codepipeline", "pipeline-check"] : "${local.ci_iam}:role/${var.project}-${role}"]
    },
    {
      Sid      = "ReadTheBuildsLogs"
      Action   = ["logs:ListTagsForResource"]
      Resource = flatten([for build in ["check", "deploy", "promote"] : ["${local.ci_regional.logs}:log-group:/aws/codebuild/${var.project}-pipeline-${build}", "${local.ci_regional.logs}:log-group:/aws/codebuild/${var.project}-pipeline-${build}:*"]])
    },
  ]])
}

# It is PENDING until somebody completes the handshake in the console: no API can.
resource "aws_codeconnections_connection" "forge" {
  for_each = { for key, each in local.ci_codepipeline : key => each if each.connection_arn == "" }

  name          = var.project # at most 32 characters
  provider_type = { github = "GitHub", gitlab = "GitLab" }[each.value.provider]
}
