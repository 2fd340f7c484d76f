# A name stands for one certificate as long as it is in the state. The only applies here: in place of
# Python they run `true`, which registers nothing.

variables {
  target         = { account_id = "111122223333", region = "eu-west-1" }
  python_command = ["true"]
  certificate_authorities = {
    devices = {
      request            = "{}"
      certificate_digest = "digest 1"
      certificate_id     = "1f1a"
      revision           = "register 00000001"
    }
  }
}

run "a_ca_is_registered" {
  assert {
    condition     = output.revisions == { devices = "register 00000001" }
    error_message = "The revision does not come out."
  }
}

run "another_certificate_under_the_same_name_is_refused" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        request            = "{}"
        certificate_digest = "digest 2"
        certificate_id     = "2f2b"
        revision           = "register 00000002"
      }
    }
  }
  expect_failures = [terraform_data.certificate_guard]
}

run "another_certificate_under_another_name_is_welcome" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        request            = "{}"
        certificate_digest = "digest 1"
        certificate_id     = "1f1a"
        revision           = "register 00000001"
      }
      devices-2 = {
        request            = "{}"
        certificate_digest = "digest 2"
        certificate_id     = "2f2b"
        revision           = "register 00000002"
      }
    }
  }
  assert {
    # An ID that is known in the plan is one that stays.
    condition     = length(terraform_data.deregistration["devices"].id) > 0
    error_message = "The CA that stays would get a new owner."
  }
}

run "a_repair_keeps_the_owner" {
  variables {
    certificate_authorities = {
      devices = {
        request            = "{}"
        certificate_digest = "digest 1"
        certificate_id     = "1f1a"
        revision           = "repair status INACTIVE -> ACTIVE 5b0c11d2-00000002"
        on_destroy         = "delete"
      }
    }
  }
  assert {
    condition     = terraform_data.registration["devices"].triggers_replace.revision == "repair status INACTIVE -> ACTIVE 5b0c11d2-00000002"
    error_message = "The repair is not recorded."
  }
  assert {
    condition     = jsondecode(terraform_data.deregistration["devices"].output).request.on_destroy == "delete"
    error_message = "A new on_destroy does not reach the state in place."
  }
  assert {
    condition     = terraform_data.deregistration["devices"].triggers_replace.certificate_id == "1f1a"
    error_message = "Destroy would remove another CA."
  }
}

run "another_account_is_refused" {
  command = plan
  variables {
    target = { account_id = "444455556666", region = "eu-west-1" }
  }
  expect_failures = [terraform_data.certificate_guard]
}

run "another_region_is_refused" {
  command = plan
  variables {
    target = { account_id = "111122223333", region = "us-west-2" }
  }
  expect_failures = [terraform_data.certificate_guard]
}

run "a_ca_that_was_deleted_outside_terraform_is_a_warning" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        request            = "{}"
        certificate_digest = "digest 1"
        certificate_id     = "1f1a"
        revision           = "register 00000003"
        differences        = ["not registered"]
      }
    }
  }
  expect_failures = [check.deleted_outside_terraform]
}

run "a_ca_that_was_registered_again_by_an_apply_is_no_warning" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        request            = "{}"
        certificate_digest = "digest 1"
        certificate_id     = "1f1a"
        revision           = "register 00000003"
        differences        = []
      }
    }
  }
}

run "a_new_ca_is_no_warning" {
  command = plan
  variables {
    certificate_authorities = {
      devices-2 = {
        request            = "{}"
        certificate_digest = "digest 2"
        certificate_id     = "2f2b"
        revision           = "register 00000002"
        differences        = ["not registered"]
      }
    }
  }
}
