output "template_name" {
  description = "Name of the provisioning template, known once its role has its permissions."
  value       = aws_iot_provisioning_template.provisioning.name

  # Without its permissions the role provisions nothing: no CA before them.
  depends_on = [aws_iam_role_policy_attachment.provisioning]
}

output "template_arn" {
  description = "ARN of the provisioning template."
  value       = aws_iot_provisioning_template.provisioning.arn
}

output "role_arn" {
  description = "ARN of the role that AWS IoT assumes to provision devices."
  value       = aws_iot_provisioning_template.provisioning.provisioning_role_arn
}

output "is_created" {
  description = "Whether this plan creates the template, since the state does not have it."
  value       = try(aws_iot_provisioning_template.provisioning.tags["iot-ca:created"] == plantimestamp(), false)
}
