locals {
  account = var.accounts[terraform.workspace] # No such account? Set TF_WORKSPACE=production
}

provider "aws" {
  region  = local.account.region
  profile = local.account.profile

  # The wrong credentials for the workspace stop here, before anything is read or written.
  allowed_account_ids = [local.account.account_id]

  dynamic "assume_role" {
    for_each = local.account.role_arn[*]

    content {
      role_arn = assume_role.value
    }
  }
}

module "iot_ca" {
  # From the registry: source = "<namespace>/iot-ca/aws" and a version.
  source = "../.."

  # The program behind the module has credentials of its own: the same ones as the provider.
  credentials = {
    profile  = local.account.profile
    role_arn = local.account.role_arn
  }

  certificate_authorities = {
    factory = {
      certificate_pem  = file(var.certificate_file)
      certificate_mode = local.account.certificate_mode
      provisioning     = { type = "JITP" }

      # Only where the mode asks for it: SNI_ONLY needs no key.
      verification = local.account.certificate_mode == "DEFAULT" ? {
        ca_private_key_file = var.private_key_file
      } : null
    }
  }

  tags = {
    environment = terraform.workspace
  }
}
