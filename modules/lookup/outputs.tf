output "certificate_authorities" {
  description = "Each CA by its name: `certificate_id`, `certificate_arn`, `certificate_mode`, `status`, `auto_registration_status`, `not_before`, `not_after` as they are once the configuration is applied; `revision`, which changes exactly when there is something to apply; `drift` and `warnings`, lists of sentences."
  value       = local.certificate_authorities
}

output "target" {
  description = "The account and region that were looked at: `account_id`, `region`, `credentials`."
  value       = local.target
}
