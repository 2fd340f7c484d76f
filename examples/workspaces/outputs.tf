output "account_id" {
  description = "The account of this workspace."
  value       = local.account.account_id
}

output "region" {
  description = "The region of this workspace."
  value       = local.account.region
}

output "certificate_authorities" {
  description = "Each CA by its name: ID, ARN, mode, status, validity, provisioning template."
  value       = module.iot_ca.certificate_authorities
}
