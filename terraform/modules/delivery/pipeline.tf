# AWS's own pipeline, for a project that asks for one: a push is checked, deployed to the lowest rung, and promoted by
# the same state machine, with the same input. A project without it has nothing of these files.
locals {
  # Where the lowest rung is: the other places have state machines of their own, and no pipeline.
  pipeline      = var.codepipeline != null && var.home == null ? { it = var.codepipeline } : {}
  pipeline_name = "${var.project}-pipeline"
  pipeline_arn  = "${local.arn_prefix}:codepipeline:${var.region}:${var.account}:${local.pipeline_name}"

  # CodePipeline puts artifacts below the first 20 characters of the pipeline's name.
  # https://docs.aws.amazon.com/codepipeline/latest/userguide/concepts.html#concepts-artifacts
  pipeline_artifacts = "${local.arn_prefix}:s3:::${local.artifacts_bucket}/${substr(local.pipeline_name, 0, 20)}/*"

  # The foundation makes the connection, unless the settings name one. Actions and conditions go by the service in its
  # ARN, which was renamed. https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
  connection_arns = { for key, pipeline in local.pipeline : key => (
    pipeline.connection_arn == "" ? data.aws_codestarconnections_connection.forge[key].arn : pipeline.connection_arn
  ) }
  connection_services = { for key, arn in local.connection_arns : key => split(":", arn)[2] }
}

data "aws_codestarconnections_connection" "forge" {
  for_each = { for key, pipeline in local.pipeline : key => pipeline if pipeline.connection_arn == "" }

  name = var.project
}

resource "aws_codepipeline" "promotion" {
  for_each = local.pipeline

  name           = local.pipeline_name
  execution_mode = "QUEUED" # a push waits for the one before: none is cut off, none is left out
  pipeline_type  = "V2"
  role_arn       = aws_iam_role.codepipeline[each.key].arn

  artifact_store {
    location = local.artifacts_bucket
    type     = "S3"
  }

  stage {
    name = "Source"

    action {
      name             = "Source"
      category         = "Source"
      owner            = "AWS"
      provider         = "CodeStarSourceConnection"
      version          = "1"
      output_artifacts = ["source"]

      # Builds clone the repository, history and all: a release records its commit.
      configuration = {
        BranchName           = each.value.branch
        ConnectionArn        = local.connection_arns[each.key]
        DetectChanges        = "true"
        FullRepositoryId     = each.value.repository
        OutputArtifactFormat = "CODEBUILD_CLONE_REF"
      }
    }
  }

  stage {
    name = "Check"

    action {
      name            = "Check"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["source"]

      configuration = {
        ProjectName = aws_codebuild_project.build["check"].name
      }
    }
  }

  # One stage, so that one push is in it at a time. In a stage of its own the lowest rung would get the next push while
  # this one's promotion waits for approval, which then refuses an image that the rung below no longer runs.
  stage {
    name = "Release"

    action {
      name            = "Deploy"
      category        = "Build"
      owner           = "AWS"
      provider        = "CodeBuild"
      version         = "1"
      input_artifacts = ["source"]
      run_order       = 1

      configuration = {
        ProjectName = aws_codebuild_project.build["deploy"].name
      }
    }

    # Everything that `inv promote` does before it starts the execution, whose input this leaves.
    action {
      name             = "Prepare"
      category         = "Build"
      owner            = "AWS"
      provider         = "CodeBuild"
      version          = "1"
      input_artifacts  = ["source"]
      output_artifacts = ["promotion"]
      run_order        = 2

      configuration = {
        ProjectName = aws_codebuild_project.build["promote"].name
      }
    }

    action {
      name            = "Promote"
      category        = "Invoke"
      owner           = "AWS"
      provider        = "StepFunctions"
      version         = "1"
      input_artifacts = ["promotion"]
      run_order       = 3

      configuration = {
        ExecutionNamePrefix = "codepipeline"
        Input               = local.promotion_input
        InputType           = "FilePath"
        StateMachineArn     = local.machine_arn
      }
    }
  }

  depends_on = [aws_iam_role_policy.codepipeline, aws_sfn_state_machine.promotion]
}

data "aws_iam_policy_document" "assumed_by_codepipeline" {
  for_each = local.pipeline

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["codepipeline.amazonaws.com"]
    }

    # https://docs.aws.amazon.com/codepipeline/latest/userguide/cross-service-confused-deputy-prevention.html
    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [local.pipeline_arn]
    }
  }
}

resource "aws_iam_role" "codepipeline" {
  for_each = local.pipeline

  name                 = "${var.project}-codepipeline"
  description          = "What the pipeline of ${var.project} may do"
  assume_role_policy   = data.aws_iam_policy_document.assumed_by_codepipeline[each.key].json
  permissions_boundary = var.permissions_boundary == "" ? null : var.permissions_boundary
}

data "aws_iam_policy_document" "codepipeline" {
  for_each = local.pipeline

  statement {
    sid       = "ReadTheRepository"
    actions   = ["${local.connection_services[each.key]}:UseConnection"]
    resources = [local.connection_arns[each.key]]

    condition {
      test     = "StringEquals"
      variable = "${local.connection_services[each.key]}:FullRepositoryId"
      values   = [each.value.repository]
    }
  }

  statement {
    sid       = "Build"
    actions   = ["codebuild:BatchGetBuilds", "codebuild:StartBuild"]
    resources = values(local.build_arns)
  }

  statement {
    sid       = "StartThePromotion"
    actions   = ["states:DescribeStateMachine", "states:StartExecution"]
    resources = [local.machine_arn]
  }

  statement {
    sid       = "WatchThePromotion"
    actions   = ["states:DescribeExecution"]
    resources = [local.executions_arn]
  }

  statement {
    sid       = "PassArtifactsOn"
    actions   = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"]
    resources = [local.pipeline_artifacts]
  }

  statement {
    sid       = "ReadTheBucketsSettings"
    actions   = ["s3:GetBucketLocation", "s3:GetBucketVersioning"]
    resources = ["${local.arn_prefix}:s3:::${local.artifacts_bucket}"]
  }
}

resource "aws_iam_role_policy" "codepipeline" {
  for_each = local.pipeline

  name   = "pipeline"
  role   = aws_iam_role.codepipeline[each.key].id
  policy = data.aws_iam_policy_document.codepipeline[each.key].json
}
