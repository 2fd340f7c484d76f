data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # The program's credentials are its own: it is told which account the provider sees, and refuses
  # to work in another.
  target = {
    account_id  = data.aws_caller_identity.current.account_id
    region      = data.aws_region.current.id
    credentials = var.credentials
  }

  certificate_authorities = {
    for name in keys(var.certificate_authorities) : name => jsondecode(data.external.certificate_authorities.result[name])
  }
}

# Read-only: every plan runs it. One process serves all CAs of the account and region.
data "external" "certificate_authorities" {
  program = concat(var.python_command, ["${path.module}/../../scripts/iot_ca", "inspect"])

  query = {
    target                  = jsonencode(local.target)
    certificate_authorities = jsonencode(var.certificate_authorities)
  }

  lifecycle {
    postcondition {
      condition     = toset(keys(self.result)) == toset(keys(var.certificate_authorities))
      error_message = "The program did not answer for exactly the CAs it was asked about. Is python_command running this module's own scripts/iot_ca?"
    }
  }
}

check "drift" {
  assert {
    condition = alltrue([for ca in values(local.certificate_authorities) : length(ca.drift) == 0])
    error_message = join("\n", [
      for name, ca in local.certificate_authorities :
      "${name} (account ${local.target.account_id}, ${local.target.region}) before apply: ${join("; ", ca.drift)}."
      if length(ca.drift) > 0
    ])
  }
}

check "certificates" {
  assert {
    condition = alltrue([for ca in values(local.certificate_authorities) : length(ca.warnings) == 0])
    error_message = join("\n", [
      for name, ca in local.certificate_authorities :
      "${name} (account ${local.target.account_id}, ${local.target.region}): ${join("; ", ca.warnings)}."
      if length(ca.warnings) > 0
    ])
  }
}
