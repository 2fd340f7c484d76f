# What makes a registration happen and what destroy is told. Plans only: an apply would run the
# program.

variables {
  target = { account_id = "111122223333", region = "eu-west-1" }
  certificate_authorities = {
    devices = {
      certificate_pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n"
      certificate_id  = "1f1a"
      revision        = "register 00000001"
      template_name   = "devices-template"
      on_destroy      = "deactivate"
      force_destroy   = true
    }
    gateways = {
      certificate_pem = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"
      certificate_id  = "2f2b"
      revision        = "register 00000002"
    }
  }
}

run "a_registration_is_replaced_when_and_only_when_the_revision_changes" {
  command = plan

  assert {
    condition     = { for name, it in terraform_data.registration : name => it.triggers_replace } == { devices = "register 00000001", gateways = "register 00000002" }
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

run "destroy_is_told_all_it_needs_and_no_more" {
  command = plan

  assert {
    condition = terraform_data.deregistration["devices"].input.request == {
      name          = "devices"
      target        = var.target
      template_name = "devices-template"
      on_destroy    = "deactivate"
      force_destroy = true
    }
    error_message = "The request to deregister is not complete."
  }
  assert {
    # Not in the request: what is there changes in place, and this must not.
    condition     = { for name, it in terraform_data.deregistration : name => it.triggers_replace.certificate_id } == { devices = "1f1a", gateways = "2f2b" }
    error_message = "Destroy does not know which CA to take out."
  }
  assert {
    condition     = terraform_data.deregistration["gateways"].input.request.on_destroy == null
    error_message = "Without on_destroy it depends on who registered the CA."
  }
  assert {
    condition     = terraform_data.deregistration["gateways"].input.request.force_destroy == false
    error_message = "Devices' certificates must be in the way unless told otherwise."
  }
  assert {
    condition     = terraform_data.deregistration["gateways"].input.request.template_name == null
    error_message = "A CA without a template has none to detach."
  }
  assert {
    condition     = terraform_data.deregistration["devices"].input.python_command == tolist(["python3"])
    error_message = "Destroy does not know how to run the program."
  }
  assert {
    condition     = keys(terraform_data.deregistration["devices"].input) == ["python_command", "request"]
    error_message = "There is more in the state than destroy needs."
  }
}

run "a_name_remembers_which_certificate_it_stands_for" {
  command = plan

  assert {
    condition     = terraform_data.deregistration["devices"].triggers_replace.certificate_digest != terraform_data.deregistration["gateways"].triggers_replace.certificate_digest
    error_message = "Two certificates are taken for one."
  }
  assert {
    condition     = terraform_data.deregistration["devices"].triggers_replace.certificate_digest == sha256("MIIBAAAA")
    error_message = "What is remembered is not the digest of the PEM's body."
  }
}

run "it_does_not_matter_how_the_certificate_is_written" {
  command = plan
  variables {
    certificate_authorities = {
      crlf = {
        certificate_pem = "subject=CN = a root\r\n-----BEGIN CERTIFICATE-----\r\nMIIBAAAA\r\n-----END CERTIFICATE-----\r\n"
        certificate_id  = "1f1a"
        revision        = "1"
      }
      chain = {
        certificate_pem = "-----BEGIN CERTIFICATE-----\nMI\nIB\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"
        certificate_id  = "1f1a"
        revision        = "1"
      }
    }
  }

  assert {
    condition     = alltrue([for it in terraform_data.deregistration : it.triggers_replace.certificate_digest == sha256("MIIBAAAA")])
    error_message = "Line ends, leading text or a chain would make it another certificate."
  }
}

run "the_python_command_is_part_of_what_destroy_needs" {
  command = plan
  variables {
    python_command = ["uv", "run", "python"]
  }

  assert {
    condition     = terraform_data.deregistration["devices"].input.python_command == tolist(["uv", "run", "python"])
    error_message = "Destroy would run another Python."
  }
}
