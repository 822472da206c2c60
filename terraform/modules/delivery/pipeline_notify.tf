# The relay is called when an action of the pipeline fails, and when the pipeline succeeds. It says on the topic and on the
# event bus which action failed, why, and the command that shows more, and it flags the commit.
locals {
  # An own parameter, which a person puts: a token of the forge that may set commit statuses and nothing else.
  forge_token = "/${var.project}/codepipeline/forge-token"

  pipeline_notice = { for key, pipeline in local.pipeline : key => {
    api        = pipeline.api
    name       = local.pipeline_name
    project    = var.project
    provider   = pipeline.provider
    repository = pipeline.repository
    rungs      = [var.rungs[0][0], reverse(local.environments)[0]]
    token      = local.forge_token
    topic      = "${local.arn_prefix}:sns:${var.region}:${var.account}:${var.project}-promotion"
  } }

  # https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
  pipeline_events = length(local.pipeline) == 0 ? {} : {
    failed    = { type = "CodePipeline Action Execution State Change", state = "FAILED" }
    succeeded = { type = "CodePipeline Pipeline Execution State Change", state = "SUCCEEDED" }
  }
}

resource "aws_cloudwatch_event_rule" "pipeline" {
  for_each = local.pipeline_events

  name        = "${local.pipeline_name}-${each.key}"
  description = "The pipeline of ${var.project} ${each.key}"

  event_pattern = jsonencode({
    detail      = { pipeline = [local.pipeline_name], state = [each.value.state] }
    detail-type = [each.value.type]
    source      = ["aws.codepipeline"]
  })
}

resource "aws_cloudwatch_event_target" "pipeline" {
  for_each = local.pipeline_events

  arn       = aws_lambda_function.pipeline["relay"].arn
  rule      = aws_cloudwatch_event_rule.pipeline[each.key].name
  target_id = "relay"
}

resource "aws_lambda_permission" "pipeline" {
  for_each = local.pipeline_events

  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pipeline["relay"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.pipeline[each.key].arn
  statement_id  = "pipeline-${each.key}"
}

data "aws_iam_policy_document" "notice" {
  for_each = local.pipeline

  statement {
    sid       = "ReadThePipeline"
    actions   = ["codepipeline:GetPipelineExecution"]
    resources = [local.pipeline_arn]
  }

  statement {
    sid       = "ReadBuilds"
    actions   = ["codebuild:BatchGetBuilds"]
    resources = values(local.build_arns)
  }

  statement {
    sid       = "ReadLogsOfBuilds"
    actions   = ["logs:GetLogEvents"]
    resources = [for build in values(local.builds) : "${build.logs}:log-stream:*"]
  }

  statement {
    sid       = "Announce"
    actions   = ["sns:Publish"]
    resources = [local.pipeline_notice[each.key].topic]
  }

  statement {
    sid       = "PutEvents"
    actions   = ["events:PutEvents"]
    resources = ["${local.arn_prefix}:events:${var.region}:${var.account}:event-bus/default"]

    condition {
      test     = "StringEquals"
      variable = "events:source"
      values   = ["stepladder"]
    }
  }

  statement {
    sid       = "FlagCommits"
    actions   = ["ssm:GetParameter"]
    resources = ["${local.arn_prefix}:ssm:${var.region}:${var.account}:parameter${local.forge_token}"]
  }
}

resource "aws_iam_role_policy" "notice" {
  for_each = local.pipeline

  name   = "notice"
  role   = aws_iam_role.pipeline["relay"].id
  policy = data.aws_iam_policy_document.notice[each.key].json
}
