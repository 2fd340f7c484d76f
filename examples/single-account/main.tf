provider "aws" {
  region = var.region
}

module "iot_ca" {
  # From the registry: source = "<namespace>/iot-ca/aws" and a version.
  source = "../.."

  certificate_authorities = merge(
    {
      # Registered in SNI_ONLY mode, the default: the certificate is all it takes, and other accounts
      # may register the same CA. A device that connects for the first time is provisioned.
      factory = {
        certificate_pem = file(var.certificate_file)
        provisioning    = { type = "JITP" }
      }
    },
    {
      # In DEFAULT mode devices need not send SNI. Only one account per region can hold a CA this
      # way, and it has to prove that it owns the CA's key.
      for name, ca in var.default_mode : name => {
        certificate_pem  = file(ca.certificate_file)
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = ca.private_key_file }
        provisioning     = { type = "JITP" }
      }
    },
  )

  tags = var.tags
}
