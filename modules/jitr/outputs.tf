output "rule_name" {
  description = "Name of the topic rule that receives the events of new devices."
  value       = aws_iot_topic_rule.registered.name

  # Without its permission the rule reaches nobody: no CA before it.
  depends_on = [aws_lambda_permission.rule]
}

output "rule_arn" {
  description = "ARN of that rule."
  value       = aws_iot_topic_rule.registered.arn

  depends_on = [aws_lambda_permission.rule]
}

output "function_name" {
  description = "Name of the function that provisions devices."
  value       = aws_lambda_function.function.function_name
}

output "function_arn" {
  description = "ARN of that function."
  value       = aws_lambda_function.function.arn
}

output "source_code_hash" {
  description = "Hash of the function's source: the same on every machine."
  value       = aws_lambda_function.function.source_code_hash
}

output "policy_name" {
  description = "Name of the AWS IoT policy that each device gets."
  value       = aws_iot_policy.device.name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.function.arn
}

output "log_group_name" {
  description = "Name of the function's log group."
  value       = aws_cloudwatch_log_group.function.name
}

output "dead_letter_queue_url" {
  description = "URL of the queue with the events that failed for good."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letter_queue_arn" {
  description = "ARN of that queue."
  value       = aws_sqs_queue.dead_letters.arn
}

output "alarm_arns" {
  description = "ARNs of the alarms that go off when a device was refused for good, or its event failed for good, was not kept, or got lost."
  value = [
    aws_cloudwatch_metric_alarm.dead_letters.arn,
    aws_cloudwatch_metric_alarm.undelivered.arn,
    aws_cloudwatch_metric_alarm.lost.arn,
    aws_cloudwatch_metric_alarm.throttled.arn,
    aws_cloudwatch_metric_alarm.not_called.arn,
    aws_cloudwatch_metric_alarm.refused.arn,
  ]
}
