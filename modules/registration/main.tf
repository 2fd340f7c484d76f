locals {
  # Each certificate's base64 without line ends: the same whatever stands around it in the PEM text.
  certificate_digests = {
    for name, ca in var.certificate_authorities : name => sha256(replace(
      try(regex("-----BEGIN CERTIFICATE-----([^-]*)-----END", ca.certificate_pem)[0], ca.certificate_pem),
      "/\\s+/", ""
    ))
  }
}

# Registers a CA, or mends it, whenever the lookup answers another revision. It is replaced each
# time, which touches nothing by itself: it has no destroy-time provisioner.
resource "terraform_data" "registration" {
  for_each = var.certificate_authorities

  triggers_replace = each.value.revision

  provisioner "local-exec" {
    interpreter = concat(var.python_command, ["${path.module}/../../scripts/iot_ca"])
    command     = "register"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode({
        name     = each.key
        target   = var.target
        revision = each.value.revision
        # There before the CA is: even a registration that fails half-way is taken out by destroy.
        owner = terraform_data.deregistration[each.key].id
        certificate_authority = {
          for key, value in each.value : key => value if !contains(["certificate_id", "revision", "on_destroy", "force_destroy"], key)
        }
      })
    }
  }

  lifecycle {
    # A CA is its owner's to take out: a new owner has to be written on it.
    replace_triggered_by = [terraform_data.deregistration[each.key].id]
  }

  depends_on = [terraform_data.certificate_guard]
}

# Takes a CA out when it leaves the configuration. A resource of its own, since the one above is
# replaced on every repair.
resource "terraform_data" "deregistration" {
  for_each = var.certificate_authorities

  # What the name stands for since it came into the state, see lifecycle.
  triggers_replace = {
    certificate_digest = local.certificate_digests[each.key]
    certificate_id     = each.value.certificate_id
  }

  input = {
    python_command = var.python_command
    request = {
      name          = each.key
      target        = var.target
      template_name = each.value.template_name
      on_destroy    = each.value.on_destroy
      force_destroy = each.value.force_destroy
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = concat(self.input.python_command, ["${path.module}/../../scripts/iot_ca"])
    command     = "deregister"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode(merge(self.input.request, {
        owner          = self.id
        certificate_id = self.triggers_replace.certificate_id
      }))
    }
  }

  lifecycle {
    # A CA that gets another name is registered under it before the old name's record goes, and has
    # another owner by then. Without replacements the provisioner above runs all the same.
    create_before_destroy = true

    # Replacing would take the CA out first, also where a plan can't know that the certificate is
    # still the same. So a name keeps its certificate, and leaving is always a removal from the map.
    # See certificate_guard.
    ignore_changes = [triggers_replace]
  }
}

# A gate before every registration. Not a condition of each record: for that Terraform would decode
# all records for each of them. And the PEM is compared, not the ID: that is unknown in every plan
# that defers the lookup.
resource "terraform_data" "certificate_guard" {
  lifecycle {
    precondition {
      condition = alltrue([
        for name, record in terraform_data.deregistration : record.triggers_replace.certificate_digest == local.certificate_digests[name]
      ])
      error_message = "${join(", ", [
        for name, record in terraform_data.deregistration : name if record.triggers_replace.certificate_digest != local.certificate_digests[name]
      ])}: certificate_pem is another certificate than the one registered under this name. Give the new CA a name of its own beside this one (then devices of both are known while you rotate), and remove this name when it is no longer needed."
    }
  }
}
