output "certificate_authorities" {
  description = "Each CA by its name: ID, ARN, mode, status, validity, provisioning template."
  value       = module.iot_ca.certificate_authorities
}

output "certificate_ids" {
  description = "ID of each CA certificate by its name, for `aws iot list-certificates-by-ca`."
  value       = { for name, ca in module.iot_ca.certificate_authorities : name => ca.certificate_id }
}
