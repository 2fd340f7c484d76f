output "alarm_arns" {
  description = "ARNs of the alarms that go off when AWS IoT could not provision a device."
  value       = [for metric in sort(keys(local.alarms)) : aws_cloudwatch_metric_alarm.provisioning[metric].arn]
}
