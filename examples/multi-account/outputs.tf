output "certificate_authorities" {
  description = "Each CA by its name, by account and region: ID, ARN, mode, status, validity, provisioning template."
  value = {
    "production/eu-west-1"  = module.production_eu.certificate_authorities
    "production/us-east-1"  = module.production_us.certificate_authorities
    "staging/eu-west-1"     = module.staging.certificate_authorities
    "development/us-east-1" = module.development.certificate_authorities
  }
}
