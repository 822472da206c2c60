# The builds: the same lines as in the pipelines of GitHub and GitLab (a test compares), and what comes before them.
locals {
  promotion_input = "promotion.json"

  build_lines = {
    check   = ["uv run --locked inv check", "uv run --locked inv test"]
    deploy  = [for environment in var.rungs[0] : "uv run --locked inv deploy --env ${environment}"]
    promote = ["uv run --locked inv promote --infra --prepare ${local.promotion_input}"]
  }

  builds = length(local.pipeline) == 0 ? {} : {
    for name, lines in local.build_lines : name => {
      arn   = "${local.arn_prefix}:codebuild:${var.region}:${var.account}:project/${var.project}-pipeline-${name}"
      lines = lines
      logs  = "${local.arn_prefix}:logs:${var.region}:${var.account}:log-group:/aws/codebuild/${var.project}-pipeline-${name}"
      role  = local.build_roles[name]
    }
  }
  build_arns = { for name, build in local.builds : name => build.arn }

  # What deploys and promotes here has the role of the forge's jobs that do. The foundation makes it, with what a build
  # needs besides, so that no job can change what it may do.
  build_roles = {
    check   = "${var.project}-pipeline-check"
    deploy  = "${var.project}-ci-deploy-${var.rungs[0][0]}"
    promote = "${var.project}-ci-deploy-${reverse(local.environments)[0]}"
  }

  # Where nothing else starts Docker, a build in a container of its own does, with its privileges.
  # https://docs.aws.amazon.com/codebuild/latest/userguide/sample-docker-custom-image.html
  docker_setup = [
    "apk add --no-cache docker",
    "nohup dockerd --host=unix:///var/run/docker.sock >/var/log/dockerd.log 2>&1 &",
    "timeout 30 sh -c 'until docker info >/dev/null 2>&1; do sleep 1; done'",
  ]
}

resource "aws_codebuild_project" "build" {
  for_each = local.builds

  name          = "${var.project}-pipeline-${each.key}"
  description   = "The pipeline of ${var.project}: ${join(", ", each.value.lines)}"
  build_timeout = var.codepipeline.timeout_minutes
  service_role  = "${local.arn_prefix}:iam::${var.account}:role/${each.value.role}"

  artifacts {
    type = "CODEPIPELINE"
  }

  environment {
    compute_type                = var.codepipeline.compute_type
    image                       = var.codepipeline.image
    image_pull_credentials_type = "CODEBUILD" # a public image
    privileged_mode             = var.codepipeline.docker && each.key == "deploy"
    type                        = var.codepipeline.arm && each.key == "deploy" ? "ARM_CONTAINER" : "LINUX_CONTAINER"

    environment_variable {
      name  = "UV_PYTHON"
      value = var.codepipeline.python
    }
  }

  logs_config {
    cloudwatch_logs {
      group_name = aws_cloudwatch_log_group.build[each.key].name
    }
  }

  source {
    type = "CODEPIPELINE"

    buildspec = jsonencode(merge(
      {
        version = "0.2"
        phases = {
          install = { commands = concat(var.codepipeline.setup, var.codepipeline.docker && each.key == "deploy" ? local.docker_setup : []) }
          build   = { "on-failure" = "ABORT", commands = each.value.lines }
        }
      },
      each.key == "promote" ? { artifacts = { files = [local.promotion_input] } } : {},
    ))
  }

  depends_on = [aws_iam_role_policy.check]
}

resource "aws_cloudwatch_log_group" "build" {
  for_each = local.builds

  name              = "/aws/codebuild/${var.project}-pipeline-${each.key}"
  retention_in_days = var.log_retention_days
}

data "aws_iam_policy_document" "assumed_by_codebuild" {
  for_each = local.pipeline

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codebuild.amazonaws.com"]
    }

    # https://docs.aws.amazon.com/codebuild/latest/userguide/cross-service-confused-deputy-prevention.html
    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.build_arns["check"]]
    }
  }
}

# Checks and tests run the code of a push before anybody deployed it: they may do nothing in AWS.
resource "aws_iam_role" "check" {
  for_each = local.pipeline

  name                 = local.build_roles["check"]
  description          = "What the checks of ${var.project}'s pipeline may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_codebuild[each.key].json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "check" {
  for_each = local.pipeline

  statement {
    sid       = "WriteOwnLog"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${local.builds["check"].logs}:log-stream:*"]
  }

  # A build gets where the repository is, and clones it with the connection.
  # https://docs.aws.amazon.com/codepipeline/latest/userguide/troubleshooting.html#codebuild-role-connections
  statement {
    sid       = "CloneTheRepository"
    actions   = ["${local.connection_services[each.key]}:UseConnection"]
    resources = [local.connection_arns[each.key]]

    condition {
      test     = "StringEquals"
      variable = "${local.connection_services[each.key]}:FullRepositoryId"
      values   = [each.value.repository]
    }
  }

  statement {
    sid       = "ReadItsArtifact"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = [local.pipeline_artifacts]
  }
}

resource "aws_iam_role_policy" "check" {
  for_each = local.pipeline

  name   = "build"
  role   = aws_iam_role.check[each.key].id
  policy = data.aws_iam_policy_document.check[each.key].json
}
