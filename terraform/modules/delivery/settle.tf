# An execution that is stopped from outside, or runs out of time, can't clean up after itself. This does: rollback looks
# what the execution left locked, puts it back, and writes it down. Of one that ended by itself it finds nothing.
resource "aws_cloudwatch_event_rule" "ended" {
  name        = "${var.project}-promotion-ended"
  description = "A promotion of ${var.project} ended without success"

  event_pattern = jsonencode({
    detail = {
      stateMachineArn = [aws_sfn_state_machine.promotion.arn]
      status          = ["ABORTED", "FAILED", "TIMED_OUT"]
    }
    detail-type = ["Step Functions Execution Status Change"]
    source      = ["aws.states"]
  })
}

resource "aws_cloudwatch_event_target" "settle" {
  arn       = aws_lambda_function.pipeline["rollback"].arn
  rule      = aws_cloudwatch_event_rule.ended.name
  target_id = "settle"
}

resource "aws_lambda_permission" "settle" {
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.pipeline["rollback"].function_name
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.ended.arn
  statement_id  = "promotion-ended"
}
