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
      name           = "devices"
      target         = var.target
      certificate_id = "1f1a"
      template_name  = "devices-template"
      on_destroy     = "deactivate"
    }
    error_message = "The request to deregister is not complete."
  }
  assert {
    condition     = terraform_data.deregistration["gateways"].input.request.on_destroy == null
    error_message = "Without on_destroy it depends on who registered the CA."
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

run "another_certificate_takes_the_old_one_out" {
  command = plan

  assert {
    condition     = terraform_data.deregistration["devices"].triggers_replace != terraform_data.deregistration["gateways"].triggers_replace
    error_message = "Two certificates have the same trigger."
  }
  assert {
    condition     = terraform_data.deregistration["devices"].triggers_replace == sha256("MIIBAAAA")
    error_message = "The trigger is not the digest of the PEM's body."
  }
}

run "the_same_certificate_written_otherwise_stays" {
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
    condition     = alltrue([for it in terraform_data.deregistration : it.triggers_replace == sha256("MIIBAAAA")])
    error_message = "Line ends, leading text or a chain would take the CA out."
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

# on_destroy must be "delete", "deactivate" or "retain".
run "refuses_an_unknown_on_destroy" {
  command = plan
  variables {
    certificate_authorities = {
      devices = { certificate_pem = "PEM", certificate_id = "1f1a", revision = "1", on_destroy = "keep" }
    }
  }
  expect_failures = [var.certificate_authorities]
}
