output "certificate_authorities" {
  description = "Each CA by its name: ID, ARN, mode, status, validity, provisioning template."
  value       = module.iot_ca.certificate_authorities
}

output "certificate_id" {
  description = "ID of the CA certificate, the same in every account and region."
  value       = module.iot_ca.certificate_authorities["factory"].certificate_id
}
