output "plan_json" {
  description = "Policy document (JSON) for plans and drift checks: read access, but not to secrets."
  value       = local.documents.plan
}

output "apply_json" {
  description = "Policy document (JSON) for apply and destroy. Includes the permissions for plans."
  value       = local.documents.apply
}

output "report_json" {
  description = "Policy document (JSON) for `status` and `diagnose`: read access to the CAs and their device certificates, to what provisions devices with its alarms and dead letters, and to the device that is diagnosed."
  value       = local.report_document
}
