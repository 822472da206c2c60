data "aws_partition" "current" {}

locals {
  arn_prefix       = "arn:${data.aws_partition.current.partition}"
  artifacts_bucket = "${var.project}-artifacts-${var.account}-${var.region}"
  ledger_table     = "${var.project}-releases"
  ledger_table_arn = "${local.arn_prefix}:dynamodb:${var.region}:${var.account}:table/${local.ledger_table}"
  repository_arn   = "${local.arn_prefix}:ecr:${var.region}:${var.account}:repository/${var.project}"

  # Where the rungs stand to each other is told to validate from here: the input of an execution can't skip a rung.
  environments = [for environment in flatten(var.rungs) : environment if !contains(keys(var.elsewhere), environment)]
  ladder = merge([
    for place, rung in var.rungs : {
      for environment in rung : environment => merge(
        {
          alias    = "live"
          below    = place == 0 ? [] : var.rungs[place - 1]
          function = "${var.project}-${environment}"
        },
        { for mark in ["elsewhere"] : mark => true if contains(keys(var.elsewhere), environment) },
      )
    }
  ]...)

  # Of several functions in each environment, the named ones are reached by what their names begin with: a hundred names
  # would fit no policy, and no environment's name has a hyphen.
  many              = length(var.functions.names) > 0
  functions_of_each = length(var.functions.names) + (var.functions.main ? 1 : 0)
  targets = concat(
    var.functions.main ? [for environment in local.environments : "${var.project}-${environment}"] : [],
    local.many ? [for environment in local.environments : "${var.project}-${environment}-*"] : [],
  )

  # Exactly the functions of the ladder; a version or alias is asked for under its qualifier.
  target_functions = [
    for name in local.targets : "${local.arn_prefix}:lambda:${var.region}:${var.account}:function:${name}"
  ]
  target_qualifiers = [for arn in local.target_functions : "${arn}:*"]
  target_deployment_groups = [
    for name in local.targets : "${local.arn_prefix}:codedeploy:${var.region}:${var.account}:deploymentgroup:${name}/live"
  ]

  # Whether the functions of the ladder are the project's own, those that have a name, or all: without it only its own.
  functions_notice = { for which in [var.functions.main ? "all" : "named"] : "FUNCTIONS" => which if local.many }

  # Roles are an account's, not a region's: two places may share one.
  role_suffix = var.home == null ? "" : "-${var.region}"

  # The relay of each environment that is in another account or region.
  elsewhere = {
    for environment, at in var.elsewhere : environment => {
      region = at.region
      relay  = "${local.arn_prefix}:lambda:${at.region}:${at.account}:function:${var.project}-pipeline-relay"
    }
  }
  function_arns = {
    for verb in ["relay", "rollback", "validate"] :
    verb => "${local.arn_prefix}:lambda:${var.region}:${var.account}:function:${var.project}-pipeline-${verb}"
  }
  executions_arn = "${local.arn_prefix}:states:${var.region}:${var.account}:execution:${var.project}-promotion:*"
  children_arns  = [for label in ["finish", "release"] : "${local.arn_prefix}:states:${var.region}:${var.account}:execution:${var.project}-promotion/${label}:*"]
  map_run_arns   = [for label in ["finish", "release"] : "${local.arn_prefix}:states:${var.region}:${var.account}:mapRun:${var.project}-promotion/${label}:*"]
  machine_arn    = "${local.arn_prefix}:states:${var.region}:${var.account}:stateMachine:${var.project}-promotion"

  # The project's own alarms by environment, for the functions that ask them, and the regions that these are in.
  gate_alarms   = { for alarms in [var.gate_alarms] : "GATE_ALARMS" => jsonencode(alarms) if length(alarms) > 0 }
  alarm_regions = distinct([for alarm in flatten(values(var.gate_alarms)) : startswith(alarm, "arn:") ? split(":", alarm)[3] : var.region])

  functions = {
    relay = {
      environment = merge(
        {
          ELSEWHERE    = jsonencode(local.elsewhere)
          LADDER       = jsonencode(local.ladder)
          LEDGER_TABLE = local.ledger_table
          MACHINE      = local.machine_arn
          ROLLBACK     = local.function_arns["rollback"]
          VALIDATE     = local.function_arns["validate"]
        },
        { for key, pipeline in local.pipeline : "PIPELINE" => jsonencode(local.pipeline_notice[key]) },
        local.functions_notice,
      )
      timeout = 300
    }
    rollback = {
      environment = merge(
        { LEDGER_TABLE = local.ledger_table, RELAY = local.function_arns["relay"] },
        local.functions_notice,
      )
      timeout = 300
    }
    validate = {
      environment = merge(
        {
          LADDER         = jsonencode(local.ladder)
          LEDGER_TABLE   = local.ledger_table
          RELAY          = local.function_arns["relay"]
          REPOSITORY     = var.project
          SCAN_THRESHOLD = var.scan_threshold
        },
        local.functions_notice,
        local.gate_alarms,
        { for freezes in [var.freezes] : "FREEZES" => freezes if freezes != "" },
        { for names in [join(",", var.require)] : "REQUIRE" => names if names != "" },
      )
      timeout = local.many ? 110 : 60 # before an approval it checks a rung's functions, one after the other
    }
    verify = {
      environment = merge(
        { ARTIFACTS_BUCKET = local.artifacts_bucket, LEDGER_TABLE = local.ledger_table },
        { for arn in [local.check_arn] : "CHECK" => arn if local.has_checks },
        local.gate_alarms,
      )
      timeout = 900 # it waits for a release command
    }
  }
}

# Versions are published and the state machine calls them by number: an execution under way keeps the code that it began with.
resource "aws_lambda_function" "pipeline" {
  for_each = local.functions

  architectures    = ["arm64"]
  description      = "${each.key} of ${var.project}'s promotion pipeline"
  function_name    = "${var.project}-pipeline-${each.key}"
  handler          = "${each.key}.handler"
  memory_size      = 512
  package_type     = "Zip"
  publish          = true
  role             = aws_iam_role.pipeline[each.key].arn
  runtime          = "python3.13"
  s3_bucket        = local.artifacts_bucket
  s3_key           = var.packages[each.key].key
  source_code_hash = var.packages[each.key].sha256
  timeout          = each.value.timeout

  environment {
    variables = each.value.environment
  }

  lifecycle {
    precondition {
      condition     = length(jsonencode(each.value.environment)) <= 4096
      error_message = "The ladder has too many environments: ${each.key}'s environment variables take ${length(jsonencode(each.value.environment))} of the 4,096 bytes that Lambda allows. Shorten rungs, promotion.freeze or promotion.alarms, or make a project of its own for some."
    }
  }

  depends_on = [aws_cloudwatch_log_group.pipeline, aws_iam_role_policy.pipeline]
}

resource "aws_cloudwatch_log_group" "pipeline" {
  for_each = local.functions

  name              = "/aws/lambda/${var.project}-pipeline-${each.key}"
  retention_in_days = var.log_retention_days
}
