output "plan_json" {
  description = "Policy document (JSON) for plans and drift checks: read access, but not to secrets."
  value       = local.documents.plan
}

output "apply_json" {
  description = "Policy document (JSON) for apply and destroy. Includes the permissions for plans."
  value       = local.documents.apply
}
