output "certificate_authorities" {
  description = "Each CA by its name: ID, ARN, mode, status, validity, provisioning template."
  value       = module.iot_ca.certificate_authorities
}

output "certificate_id" {
  description = "ID of the CA certificate, where before it was aws_iot_ca_certificate.factory.id."
  value       = module.iot_ca.certificate_authorities["factory"].certificate_id
}
