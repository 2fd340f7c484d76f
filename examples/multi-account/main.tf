locals {
  # arn:aws:iam::ACCOUNT:role/NAME
  account_ids = { for name, role_arn in var.roles : name => split(":", role_arn)[4] }

  # What is the same in every account and region.
  factory = {
    certificate_pem = file(var.certificate_file)
    provisioning    = { type = "JITP" }
  }

  # For devices in the field that don't send SNI. One account in a region can hold a CA this way.
  factory_in_default_mode = merge(local.factory, {
    certificate_mode = "DEFAULT"
    verification     = { ca_private_key_file = var.private_key_file }
  })
}

module "production_eu" {
  # From the registry: source = "<namespace>/iot-ca/aws" and a version.
  source    = "../.."
  providers = { aws = aws.production_eu }

  # The program behind the module has credentials of its own: the same role as the provider.
  credentials             = { role_arn = var.roles.production }
  certificate_authorities = { factory = local.factory_in_default_mode }
  tags                    = { environment = "production" }
}

module "production_us" {
  source    = "../.."
  providers = { aws = aws.production_us }

  credentials             = { role_arn = var.roles.production }
  certificate_authorities = { factory = local.factory_in_default_mode }
  tags                    = { environment = "production" }
}

module "staging" {
  source    = "../.."
  providers = { aws = aws.staging }

  credentials             = { role_arn = var.roles.staging }
  certificate_authorities = { factory = local.factory }
  tags                    = { environment = "staging" }
}

module "development" {
  source    = "../.."
  providers = { aws = aws.development }

  credentials             = { role_arn = var.roles.development }
  certificate_authorities = { factory = local.factory }
  tags                    = { environment = "development" }
}
