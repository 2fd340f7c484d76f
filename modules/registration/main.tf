# Registers a CA, or mends it, whenever the lookup answers another revision. It is replaced each
# time, which touches nothing by itself: it has no destroy-time provisioner.
resource "terraform_data" "registration" {
  for_each = var.certificate_authorities

  triggers_replace = each.value.revision

  provisioner "local-exec" {
    interpreter = concat(var.python_command, ["${path.module}/../../scripts/iot_ca.py"])
    command     = "register"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode({
        name     = each.key
        target   = var.target
        revision = each.value.revision
        certificate_authority = {
          for key, value in each.value : key => value if !contains(["certificate_id", "revision", "on_destroy"], key)
        }
      })
    }
  }

  # There before the CA is, so that even a registration that failed half-way is taken out by destroy.
  depends_on = [terraform_data.deregistration]
}

# Takes a CA out when it leaves the configuration. A resource of its own, since the one above is
# replaced on every repair.
resource "terraform_data" "deregistration" {
  for_each = var.certificate_authorities

  # Another certificate under the same name: the old CA leaves first. The PEM's body, not the
  # looked-up ID: that is unknown in a plan that defers the lookup, and an unknown trigger would
  # take the CA out for nothing.
  triggers_replace = sha256(replace(
    try(regex("-----BEGIN CERTIFICATE-----([^-]*)-----END", each.value.certificate_pem)[0], each.value.certificate_pem),
    "/\\s+/", ""
  ))

  input = {
    python_command = var.python_command
    request = {
      name           = each.key
      target         = var.target
      certificate_id = each.value.certificate_id
      template_name  = each.value.template_name
      on_destroy     = each.value.on_destroy
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = concat(self.input.python_command, ["${path.module}/../../scripts/iot_ca.py"])
    command     = "deregister"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode(self.input.request)
    }
  }
}
