output "certificate_authorities" {
  description = "Each CA by its name: ID, ARN, mode, status, validity, provisioning template."
  value       = module.iot_ca.certificate_authorities
}

output "certificate_mode" {
  description = "The CA's mode: `SNI_ONLY` after the first apply, `DEFAULT` after the second."
  value       = module.iot_ca.certificate_authorities["factory"].certificate_mode
}
