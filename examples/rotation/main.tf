provider "aws" {
  region = var.region
}

module "iot_ca" {
  # From the registry: source = "<namespace>/iot-ca/aws" and a version.
  source = "../.."

  certificate_authorities = {
    for name, ca in var.certificate_authorities : name => {
      certificate_pem = file(ca.certificate_file)
      status          = ca.status
      on_destroy      = ca.on_destroy
      force_destroy   = ca.force_destroy

      # A template for each CA, by its name: taking one CA out leaves the other's alone.
      provisioning = { type = "JITP" }
    }
  }

  expiry_warning_days = var.expiry_warning_days
  tags                = var.tags
}
