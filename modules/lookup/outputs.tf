output "certificate_authorities" {
  description = <<-EOT
    Each CA by its name in the input:

    - `certificate_id`, `certificate_arn`, `certificate_mode`, `status`, `auto_registration_status`,
      `not_before`, `not_after`: as they are once the configuration is applied.
    - `revision`: changes exactly when there is something to apply.
    - `drift`: what differs from the desired state, a list of sentences.
    - `warnings`: a list of sentences.
  EOT
  value       = local.certificate_authorities
}

output "target" {
  description = "The account and Region that the lookup queried: `account_id`, `region`, `credentials`."
  value       = local.target
}
