# What the project lets the function do, beside its own policy: nothing is here for a project that says nothing.

resource "aws_iam_role_policy" "permissions" {
  count = length(var.permissions) > 0 ? 1 : 0

  name = "permissions"
  role = aws_iam_role.function.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for each in var.permissions : {
        for element, value in {
          Action    = each.actions
          Condition = length(each.conditions) > 0 ? each.conditions : null
          Effect    = each.effect
          Resource  = each.resources
          Sid       = each.sid
        } : element => value if value != null
      }
    ]
  })
}

resource "aws_iam_role_policy_attachment" "managed" {
  for_each = var.managed_policies

  policy_arn = each.value
  role       = aws_iam_role.function.name
}
