provider "aws" {
  region = var.region
}

module "iot_ca" {
  # From the registry: source = "<namespace>/iot-ca/aws" and a version.
  source = "../.."

  certificate_authorities = {
    factory = {
      certificate_pem = file(var.certificate_file)
      provisioning    = { type = "JITP" }

      # Until the verification certificate is there, the CA is registered in SNI_ONLY mode, which needs
      # none: devices that send SNI are provisioned already. Then it goes over to DEFAULT mode.
      certificate_mode = var.verification_certificate_file == null ? "SNI_ONLY" : "DEFAULT"
      verification = var.verification_certificate_file == null ? null : {
        certificate_pem = file(var.verification_certificate_file)
      }
      allow_mode_change = var.verification_certificate_file != null
    }
  }
}
