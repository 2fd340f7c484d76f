# What makes a registration happen, and what is kept for destroy. Plans only: an apply would run the
# program.

variables {
  target = { account_id = "111122223333", region = "eu-west-1" }
  certificate_authorities = {
    devices = {
      request            = "{}"
      certificate_digest = "digest 1"
      certificate_id     = "1f1a"
      revision           = "register 00000001"
      template_name      = "devices-template"
      on_destroy         = "deactivate"
      force_destroy      = true
    }
    gateways = {
      request            = "{}"
      certificate_digest = "digest 2"
      certificate_id     = "2f2b"
      revision           = "register 00000002"
    }
  }
}

run "only_another_revision_replaces_a_registration" {
  command = plan

  assert {
    condition     = { for name, it in terraform_data.registration : name => it.triggers_replace.revision } == { devices = "register 00000001", gateways = "register 00000002" }
    error_message = "Something else than the revision triggers a registration."
  }
  assert {
    condition     = alltrue([for it in terraform_data.registration : it.input == null])
    error_message = "An input would show up as a change of its own."
  }
  assert {
    condition     = output.revisions == { devices = "register 00000001", gateways = "register 00000002" }
    error_message = "The revisions don't come out."
  }
}

run "the_state_keeps_what_destroy_needs_and_no_more" {
  command = plan

  assert {
    condition = jsonencode(jsondecode(terraform_data.deregistration["devices"].input).request) == jsonencode({
      name          = "devices"
      target        = var.target
      template_name = "devices-template"
      on_destroy    = "deactivate"
      force_destroy = true
    })
    error_message = "The request to deregister is not complete."
  }
  assert {
    # Not in the request: what is there changes in place, and this must not.
    condition     = { for name, it in terraform_data.deregistration : name => it.triggers_replace.certificate_id } == { devices = "1f1a", gateways = "2f2b" }
    error_message = "Destroy does not know which CA to remove."
  }
  assert {
    condition     = jsondecode(terraform_data.deregistration["gateways"].input).request.on_destroy == null
    error_message = "Without on_destroy it depends on who registered the CA."
  }
  assert {
    condition     = jsondecode(terraform_data.deregistration["gateways"].input).request.force_destroy == false
    error_message = "By default, registered device certificates must prevent the deletion."
  }
  assert {
    condition     = jsondecode(terraform_data.deregistration["gateways"].input).request.template_name == null
    error_message = "A CA without a template has none to detach."
  }
  assert {
    condition     = jsondecode(terraform_data.deregistration["devices"].input).python_command == ["python3"]
    error_message = "Destroy does not know how to run the program."
  }
  assert {
    condition     = keys(jsondecode(terraform_data.deregistration["devices"].input)) == ["python_command", "request"]
    error_message = "There is more in the state than destroy needs."
  }
}

run "the_state_keeps_the_digest_of_each_certificate" {
  command = plan

  assert {
    condition = { for name, it in terraform_data.deregistration : name => it.triggers_replace.certificate_digest } == {
      devices  = "digest 1"
      gateways = "digest 2"
    }
    error_message = "The guard would compare something else than the digests."
  }
}

run "the_python_command_is_part_of_what_destroy_needs" {
  command = plan
  variables {
    python_command = ["uv", "run", "python"]
  }

  assert {
    condition     = jsondecode(terraform_data.deregistration["devices"].input).python_command == ["uv", "run", "python"]
    error_message = "Destroy would run another Python."
  }
}
