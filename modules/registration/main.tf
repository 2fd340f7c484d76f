locals {
  # Once for all CAs: Terraform would decode all records for each reference to one of them.
  owners = { for name, record in terraform_data.deregistration : name => record.id }
}

# Registers or repairs a CA when the lookup answers another revision. The replacement itself changes
# nothing in AWS: this resource has no destroy-time provisioner.
resource "terraform_data" "registration" {
  for_each = var.certificate_authorities

  triggers_replace = {
    revision = each.value.revision
    # Only its owner removes a CA: a new owner must be written to the CA's tags. Not as
    # replace_triggered_by, which ignores a record that was forgotten and is created again.
    owner = local.owners[each.key]
  }

  provisioner "local-exec" {
    interpreter = concat(var.python_command, ["${path.module}/../../scripts/iot_ca"])
    command     = "register"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode(merge(jsondecode(each.value.request), {
        revision = each.value.revision
        # Exists before the CA does, so that destroy also removes a CA whose registration failed half-way.
        owner = local.owners[each.key]
      }))
    }
  }

  depends_on = [terraform_data.certificate_guard]
}

# Removes a CA when it leaves the configuration. A resource of its own, since the registration is
# replaced on every repair.
resource "terraform_data" "deregistration" {
  for_each = var.certificate_authorities

  # What was first registered under this name, and where: see lifecycle.
  triggers_replace = {
    certificate_digest = each.value.certificate_digest
    certificate_id     = each.value.certificate_id
    account_id         = var.target.account_id
    region             = var.target.region
  }

  # As text: Terraform writes the whole state after each resource, and an object stands there with all its types, twice.
  input = jsonencode({
    python_command = var.python_command
    request = {
      name          = each.key
      target        = var.target
      template_name = each.value.template_name
      on_destroy    = each.value.on_destroy
      force_destroy = each.value.force_destroy
    }
  })

  provisioner "local-exec" {
    when        = destroy
    interpreter = concat(jsondecode(self.input).python_command, ["${path.module}/../../scripts/iot_ca"])
    command     = "deregister"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode(merge(jsondecode(self.input).request, {
        owner          = self.id
        certificate_id = self.triggers_replace.certificate_id
      }))
    }
  }

  lifecycle {
    # A CA that is renamed is registered under its new name before the old name's record is destroyed,
    # and has another owner by then. Without replacements the provisioner above runs all the same.
    create_before_destroy = true

    # A replacement would remove the CA first, even if a plan cannot know that the certificate is the
    # same. So a name keeps its certificate, and a CA is only removed with its name. See certificate_guard.
    ignore_changes = [triggers_replace]
  }
}

# The revision with which a CA was first registered or adopted under its name: the one thing that tells a CA
# that was deleted outside Terraform from one that is new. Made after the CA is registered, so that a failed
# registration is not taken for a registered CA.
resource "terraform_data" "first_revision" {
  for_each = var.certificate_authorities

  input = each.value.revision

  lifecycle {
    ignore_changes = [input]
  }

  depends_on = [terraform_data.registration]
}

locals {
  # A record that is only being made has the revision that is being applied.
  deleted_names = [
    for name, record in terraform_data.first_revision : name
    if length(var.certificate_authorities[name].differences) > 0
    && can(regex("^(register|adopt) ", var.certificate_authorities[name].revision))
    && record.input != var.certificate_authorities[name].revision
  ]
}

check "deleted_outside_terraform" {
  assert {
    condition = length(local.deleted_names) == 0
    error_message = join("\n", [
      for name in local.deleted_names : join(" ", [
        "${name} (account ${var.target.account_id}, ${var.target.region}) before apply:",
        "${join("; ", var.certificate_authorities[name].differences)}.",
        startswith(var.certificate_authorities[name].revision, "register ")
        ? "The CA was deleted outside Terraform."
        : "The CA was deleted and registered again, or lost this module's tags, outside Terraform.",
      ])
    ])
  }
}

locals {
  # A record of an earlier version of this module does not know its account and Region.
  moved = {
    for name, record in terraform_data.deregistration :
    name => "account ${record.triggers_replace.account_id}, ${record.triggers_replace.region}"
    if try(record.triggers_replace.account_id, var.target.account_id) != var.target.account_id
    || try(record.triggers_replace.region, var.target.region) != var.target.region
  }
}

# Refuses another certificate, account or Region before anything is registered: for a configuration that
# calls this module itself. The root module has a guard that its provisioning resources wait for as well. One
# condition for all CAs: with a condition for each record, Terraform would decode all records for each of
# them. It compares digests, not certificate IDs: an ID is unknown in a plan that defers the lookup.
resource "terraform_data" "certificate_guard" {
  lifecycle {
    precondition {
      condition     = length(local.moved) == 0
      error_message = "The state belongs to another account or Region. ${join(", ", keys(local.moved))} (${join("; ", distinct(values(local.moved)))}): the target is account ${var.target.account_id}, ${var.target.region}. Select the workspace and the credentials that belong together (docs/accounts-and-regions.md)."
    }

    precondition {
      condition = alltrue([
        for name, record in terraform_data.deregistration :
        record.triggers_replace.certificate_digest == var.certificate_authorities[name].certificate_digest
      ])
      error_message = "${join(", ", [
        for name, record in terraform_data.deregistration :
        name if record.triggers_replace.certificate_digest != var.certificate_authorities[name].certificate_digest
      ])}: certificate_pem is not the certificate that is registered under this name. Restore it, and add the new CA under a name of its own (docs/rotation.md)."
    }
  }
}
