# What each name stood for when it was first applied. Depends on neither the lookup nor the provisioning
# resources, so that those can wait for the guard.
resource "terraform_data" "identity" {
  for_each = var.certificate_digests

  input = {
    account_id         = var.account_id
    region             = var.region
    certificate_digest = each.value
  }

  lifecycle {
    ignore_changes = [input]
  }
}

# Refuses another account or Region, also in a destroy.
module "account" {
  source = "../_account"

  accounts = {
    current = { account_id = var.account_id, region = var.region }
    recorded = merge(
      {
        for name, identity in terraform_data.identity :
        name => { account_id = identity.input.account_id, region = identity.input.region }
      },
      # Also if the last CA has been removed from the map. A guard of an earlier version has recorded nothing.
      { for recorded in [terraform_data.guard.input] : "" => recorded if recorded != null },
    )
  }
}

locals {
  changed_names = [
    for name, identity in terraform_data.identity : name
    if identity.input.certificate_digest != var.certificate_digests[name]
  ]
}

# Refuses another certificate before anything is changed. One resource for all CAs: with a condition for each
# record, Terraform would decode all records for each of them. The certificates are compared by digests, not by
# IDs: an ID is unknown in a plan that defers the lookup.
resource "terraform_data" "guard" {
  input = { account_id = var.account_id, region = var.region }

  lifecycle {
    ignore_changes = [input]

    precondition {
      condition     = length(local.changed_names) == 0
      error_message = "${join(", ", local.changed_names)}: certificate_pem is not the certificate that is registered under this name. Restore it, and add the new CA under a name of its own (docs/rotation.md)."
    }
  }
}
