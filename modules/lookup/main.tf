data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # As a local, because a reference to an attribute that the provider lacks is refused, even in try(): `region`
  # is new in provider 6.0, whose 6.47 deprecates `id`.
  provider_region = data.aws_region.current

  # The program does not inherit the provider's credentials. It refuses to work in any account but the
  # provider's.
  target = {
    account_id  = data.aws_caller_identity.current.account_id
    region      = try(local.provider_region.region, local.provider_region.id)
    credentials = var.credentials
  }

  results = {
    for name in keys(var.certificate_authorities) : name => jsondecode(data.external.certificate_authorities.result[name])
  }

  # Computed from the input, so that they are known also in a plan that defers the lookup. The base64
  # text of the first certificate without white space is the same for every way to write the PEM text.
  certificate_digests = {
    # A certificate is public. If certificate_pem is marked as sensitive, Terraform would withhold the message that
    # compares digests. Before Terraform 1.8, nonsensitive() refuses a value that is not sensitive.
    for name, ca in var.certificate_authorities : name => nonsensitive(sensitive(sha256(replace(
      try(regex("-----BEGIN CERTIFICATE-----([^-]*)-----END", ca.certificate_pem)[0], ca.certificate_pem),
      "/\\s+/", ""
    ))))
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
      error_message = "The program's answer does not have exactly the CAs of the query. Make python_command run this module's scripts/iot_ca."
    }
  }
}

check "drift" {
  assert {
    condition = alltrue([for ca in values(local.results) : length(ca.drift) == 0])
    error_message = join("\n", [
      for name, ca in local.results :
      "${name} (account ${local.target.account_id}, ${local.target.region}) before apply: ${join("; ", ca.drift)}."
      if length(ca.drift) > 0
    ])
  }
}

check "certificates" {
  assert {
    condition = alltrue([for ca in values(local.results) : length(ca.warnings) == 0])
    error_message = join("\n", [
      for name, ca in local.results :
      "${name} (account ${local.target.account_id}, ${local.target.region}): ${join("; ", ca.warnings)}."
      if length(ca.warnings) > 0
    ])
  }
}
