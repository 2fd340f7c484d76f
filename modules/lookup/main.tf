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

  program = concat(var.python_command, ["${path.module}/../../scripts/iot_ca", "inspect"])

  # Of the two lookups, the one that there is.
  answers = {
    for name, answer in concat(
      data.external.certificate_authorities[*].result,
      data.external.certificate_authorities_of_region[*].result,
    )[0] : name => jsondecode(answer)
  }

  # A lookup that has not waited for the provider has worked in the account of the program's credentials, which an
  # ARN names.
  lookup_accounts = distinct([
    for answer in values(local.answers) : split(":", answer.certificate_arn)[4] if var.region != null
  ])
  is_in_target = alltrue([for account_id in local.lookup_accounts : account_id == local.target.account_id]) && (
    coalesce(var.region, local.target.region) == local.target.region
  )

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

# Read-only: every plan runs it. One process serves all CAs of the account and Region. A reference to the aws
# provider's data makes this wait for the provider to start, even if count is 0: so there is one lookup with it and
# one without. The count depends on the input alone: it must be known also in a plan that defers the lookup.
data "external" "certificate_authorities" {
  count = var.region == null ? 1 : 0

  program = local.program

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

# Starts with the plan. The account is that of the program's credentials: the outputs refuse another one than the
# provider's.
data "external" "certificate_authorities_of_region" {
  count = var.region == null ? 0 : 1

  program = local.program

  query = {
    target                  = jsonencode({ region = var.region, credentials = var.credentials })
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
    condition = !local.is_in_target || alltrue([for ca in values(local.results) : length(ca.drift) == 0])
    error_message = join("\n", [
      for name, ca in local.results :
      "${name} (account ${local.target.account_id}, ${local.target.region}) before apply: ${join("; ", ca.drift)}."
      if length(ca.drift) > 0
    ])
  }
}

check "certificates" {
  assert {
    condition = !local.is_in_target || alltrue([for ca in values(local.results) : length(ca.warnings) == 0])
    error_message = join("\n", [
      for name, ca in local.results :
      "${name} (account ${local.target.account_id}, ${local.target.region}): ${join("; ", ca.warnings)}."
      if length(ca.warnings) > 0
    ])
  }
}
