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

locals {
  moved_names = [
    for name, identity in terraform_data.identity : name
    if identity.input.account_id != var.account_id || identity.input.region != var.region
  ]
  # As a rule one account and Region: the names in a state are applied together.
  moved_from = distinct([
    for name in local.moved_names :
    "account ${terraform_data.identity[name].input.account_id}, ${terraform_data.identity[name].input.region}"
  ])

  changed_names = [
    for name, identity in terraform_data.identity : name
    if identity.input.certificate_digest != var.certificate_digests[name]
  ]
}

# Refuses another account, Region or certificate before anything is changed. One resource for all CAs:
# with a condition for each record, Terraform would decode all records for each of them. The
# certificates are compared by digests, not by IDs: an ID is unknown in a plan that defers the lookup.
resource "terraform_data" "guard" {
  lifecycle {
    precondition {
      condition     = length(local.moved_names) == 0
      error_message = "${join(", ", local.moved_names)} (${join("; ", local.moved_from)}): the state belongs to this account and Region, and the aws provider works in account ${var.account_id}, ${var.region}. Select the workspace and credentials that belong together. To move a CA, destroy it there first, or forget the module there with terraform state rm; to have it in both, use a workspace for each."
    }

    precondition {
      condition     = length(local.changed_names) == 0
      error_message = "${join(", ", local.changed_names)}: certificate_pem is another certificate than the one registered under this name. Add the new CA under another name, and remove this name when its devices have certificates of the new CA."
    }
  }
}
