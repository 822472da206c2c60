# What Lambda itself does with the function's role to connect the function to a VPC, as in AWS's managed policy
# AWSLambdaVPCAccessExecutionRole, but with resources where AWS takes them:
# https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
data "aws_iam_policy_document" "network" {
  for_each = toset(local.in_vpc ? ["this"] : [])

  # These can't be limited to resources.
  statement {
    sid       = "ReadTheNetwork"
    actions   = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
    resources = ["*"]
  }

  # A shared subnet belongs to another account. An interface has no id before it is created.
  statement {
    sid     = "CreateNetworkInterfaces"
    actions = ["ec2:CreateNetworkInterface"]
    resources = concat(
      ["${local.ec2_arn_prefix}:${var.account}:network-interface/*"],
      [for id in var.vpc.subnets : "${local.ec2_arn_prefix}:*:subnet/${id}"],
      [for id in var.vpc.security_groups : "${local.ec2_arn_prefix}:*:security-group/${id}"],
    )
  }

  # AWS asks for all resources' ids here: with those of interfaces alone a function may fail to reach its VPC.
  statement {
    sid       = "ManageNetworkInterfaces"
    actions   = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
    resources = ["${local.ec2_arn_prefix}:${var.account}:*/*"]
  }

  # Only the function's own code calls with this key. Lambda makes the calls above without it.
  statement {
    sid       = "DenyTheFunctionItself"
    effect    = "Deny"
    actions   = local.network_actions
    resources = ["*"]

    condition {
      test     = "ArnEquals"
      variable = "lambda:SourceFunctionArn"
      values   = [local.function_arn]
    }
  }
}

locals {
  ec2_arn_prefix = "${local.arn_prefix}:ec2:${var.region}"
  in_vpc         = length(var.vpc.subnets) > 0
  network_actions = [
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
  ]
}

resource "aws_iam_role_policy" "network" {
  for_each = data.aws_iam_policy_document.network

  name   = "reach-the-vpc"
  role   = aws_iam_role.function.id
  policy = each.value.json

  # A function that leaves its VPC needs it until it has left.
  lifecycle {
    create_before_destroy = true
  }
}
