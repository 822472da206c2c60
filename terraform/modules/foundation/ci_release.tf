# What releases and promotions change, without Terraform.
locals {
  # ForAllValues is true of a request that names no key, so Null asks for one. The keys are those of docs/reference/ledger.md.
  ci_own_items     = { "ForAllValues:StringLike" = [], Null = ["false"] }
  ci_ledger_writes = ["dynamodb:ConditionCheckItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]

  ci_release_service = { for key, service in local.ci_services : key => concat(
    [
      {
        Sid      = "Release"
        Action   = ["lambda:PublishVersion", "lambda:UpdateAlias", "lambda:UpdateFunctionCode"]
        Resource = concat([local.ci_functions[key], "${local.ci_functions[key]}:live"], local.ci_named[key])
      },
      {
        Sid      = "Test"
        Action   = ["lambda:InvokeFunction"]
        Resource = concat(["${local.ci_functions[key]}:*"], [for arn in local.ci_named[key] : "${arn}:*"])
      },
      {
        Sid       = "WriteTheLedger"
        Action    = local.ci_ledger_writes
        Resource  = [local.ci_table]
        Condition = { for test, keys in local.ci_own_items : test => { "dynamodb:LeadingKeys" = test == "Null" ? keys : concat(flatten([for end in concat([""], local.ci_many[key]) : ["env#${service.state}${end}", "command#${service.state}${end}"]]), [key == "preview" ? "previews" : "digest#*"]) } }
      },
      {
        Sid      = "StopDeployments" # by the service authorization reference it has no resource to name
        Action   = ["codedeploy:StopDeployment"]
        Resource = [key == "preview" ? "${local.ci_regional.codedeploy}:deploymentgroup:${service.name}/live" : "*"]
      },
    ],
  ) }

  # The lowest rung's image is built by the job that deploys there, and a preview's by its own. Into a location beside the
  # lowest rung's, whoever promotes copies it.
  ci_push = { for key, repository in { image = local.ci_image, preview = local.ci_preview_image } : key => {
    Sid      = "PushTheImage"
    Action   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart"]
    Resource = [repository]
  } }

  # Whoever promotes moves no alias: the state machine does, by its own roles.
  ci_promote = [
    {
      Sid      = "Promote"
      Action   = ["states:StartExecution"]
      Resource = [local.ci_machine]
    },
    {
      Sid      = "BringTheSmokeCases"
      Action   = ["s3:GetObject", "s3:PutObject"]
      Resource = ["${local.ci_artifacts}/smoke/*"]
    },
    {
      Sid      = "RecoverPromotions"
      Action   = ["lambda:InvokeFunction"]
      Resource = ["${local.ci_regional.lambda}:function:${var.project}-pipeline-rollback"]
    },
  ]

  # A task token has no resource to name. It lies in the ledger, in the items of promotions.
  ci_answer = [
    {
      Sid       = "WriteTheLedgersPromotions"
      Action    = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
      Resource  = [local.ci_table]
      Condition = { for test, keys in local.ci_own_items : test => { "dynamodb:LeadingKeys" = test == "Null" ? keys : ["climb#*", "deployment#*"] } }
    },
    {
      Sid      = "Answer"
      Action   = ["states:SendTaskFailure", "states:SendTaskSuccess"]
      Resource = ["*"]
    },
    {
      Sid      = "StopPromotions"
      Action   = ["states:RedriveExecution", "states:StopExecution"]
      Resource = [local.ci_executions]
    },
  ]

  # The plan that is applied after its review, and nothing else that a bucket holds.
  ci_review = { for key, service in local.ci_services : key => {
    Sid      = "KeepReviewedPlans"
    Action   = ["s3:PutObject"]
    Resource = ["${local.ci_artifacts}/plans/${service.state}/*"]
  } }
}
