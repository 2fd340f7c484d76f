output "plan_json" {
  description = "Policy document (JSON) for whoever plans, and for checks of drift: reads, and nothing of a secret."
  value       = local.documents.plan
}

output "apply_json" {
  description = "Policy document (JSON) for whoever applies and destroys. What it takes to plan is part of it."
  value       = local.documents.apply
}
