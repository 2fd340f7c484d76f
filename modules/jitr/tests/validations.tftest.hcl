# What the module refuses to make, one run for each rule; see tests/validations.tftest.hcl.

mock_provider "aws" {}

variables {
  name             = "devices"
  certificate_id   = "1f1a"
  certificate_arn  = "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a"
  certificate_mode = "SNI_ONLY"
}

# name must have 1 to 36 letters
run "refuses_a_name_of_37_letters" {
  command = plan
  variables {
    name = "abcdefghijklmnopqrstuvwxyz-0123456789"
  }
  expect_failures = [var.name]
}

# name must have 1 to 36 letters
run "refuses_a_name_with_a_space" {
  command = plan
  variables {
    name = "the devices"
  }
  expect_failures = [var.name]
}

# device_policy must be a policy document
run "refuses_a_device_policy_that_is_not_json" {
  command = plan
  variables {
    device_policy = "allow"
  }
  expect_failures = [var.device_policy]
}

# device_policy must be a policy document
run "refuses_a_device_policy_without_a_statement" {
  command = plan
  variables {
    device_policy = "{\"Version\": \"2012-10-17\"}"
  }
  expect_failures = [var.device_policy]
}

# thing_type_name must have
run "refuses_a_thing_type_with_a_space" {
  command = plan
  variables {
    thing_type_name = "a sensor"
  }
  expect_failures = [var.thing_type_name]
}

# The name of a thing's attribute has
run "refuses_an_attribute_with_a_space_in_its_name" {
  command = plan
  variables {
    subject_attributes = { "serial number" = "SerialNumber" }
  }
  expect_failures = [var.subject_attributes]
}

# ca_certificate_id and ca_certificate_mode are set
run "refuses_to_set_the_ca_of_a_thing_otherwise" {
  command = plan
  variables {
    subject_attributes = { ca_certificate_id = "SerialNumber" }
  }
  expect_failures = [var.subject_attributes]
}

# A field of the subject is one of
run "refuses_a_field_that_no_subject_has" {
  command = plan
  variables {
    subject_attributes = { place = "Locality" }
  }
  expect_failures = [var.subject_attributes]
}

# A thing has room for 50 attributes
run "refuses_more_attributes_than_a_thing_has_room_for" {
  command = plan
  variables {
    subject_attributes = {
      a01 = "Country", a02 = "Country", a03 = "Country", a04 = "Country", a05 = "Country", a06 = "Country", a07 = "Country",
      a08 = "Country", a09 = "Country", a10 = "Country", a11 = "Country", a12 = "Country", a13 = "Country", a14 = "Country",
      a15 = "Country", a16 = "Country", a17 = "Country", a18 = "Country", a19 = "Country", a20 = "Country", a21 = "Country",
      a22 = "Country", a23 = "Country", a24 = "Country", a25 = "Country", a26 = "Country", a27 = "Country", a28 = "Country",
      a29 = "Country", a30 = "Country", a31 = "Country", a32 = "Country", a33 = "Country", a34 = "Country", a35 = "Country",
      a36 = "Country", a37 = "Country", a38 = "Country", a39 = "Country", a40 = "Country", a41 = "Country", a42 = "Country",
      a43 = "Country", a44 = "Country", a45 = "Country", a46 = "Country", a47 = "Country", a48 = "Country", a49 = "Country",
    }
  }
  expect_failures = [var.subject_attributes]
}

# subject_attributes is too long for the function's environment
run "refuses_attributes_too_long_for_a_functions_environment" {
  command = plan
  variables {
    subject_attributes = {
      for number in range(24) : format("%0128d", number) => "Country"
    }
  }
  expect_failures = [var.subject_attributes]
}

# hook_function_arn must be the ARN
run "refuses_a_hook_that_is_a_name" {
  command = plan
  variables {
    hook_function_arn = "admit"
  }
  expect_failures = [var.hook_function_arn]
}

# hook_function_arn must be the ARN
run "refuses_a_hook_that_is_something_else" {
  command = plan
  variables {
    hook_function_arn = "arn:aws:sns:eu-west-1:111122223333:admit"
  }
  expect_failures = [var.hook_function_arn]
}

# on_refusal must be
run "refuses_to_activate_what_was_refused" {
  command = plan
  variables {
    on_refusal = "ACTIVE"
  }
  expect_failures = [var.on_refusal]
}

# on_permanent_failure must be
run "refuses_to_activate_what_cannot_be_provisioned" {
  command = plan
  variables {
    on_permanent_failure = "ACTIVE"
  }
  expect_failures = [var.on_permanent_failure]
}

# alarm_actions must be ARNs
run "refuses_an_alarm_action_that_is_a_name" {
  command = plan
  variables {
    alarm_actions = ["on-call"]
  }
  expect_failures = [var.alarm_actions]
}

# log_retention_days must be
run "refuses_a_retention_that_cloudwatch_does_not_know" {
  command = plan
  variables {
    log_retention_days = 31
  }
  expect_failures = [var.log_retention_days]
}

# reserved_concurrency must be at least 1
run "refuses_to_run_no_function_at_all" {
  command = plan
  variables {
    reserved_concurrency = 0
  }
  expect_failures = [var.reserved_concurrency]
}

# reserved_concurrency must be at least 1
run "refuses_a_negative_concurrency" {
  command = plan
  variables {
    reserved_concurrency = -2
  }
  expect_failures = [var.reserved_concurrency]
}

# runtime must be
run "refuses_a_python_that_is_too_old" {
  command = plan
  variables {
    runtime = "python3.11"
  }
  expect_failures = [var.runtime]
}

# runtime must be
run "refuses_another_language" {
  command = plan
  variables {
    runtime = "nodejs22.x"
  }
  expect_failures = [var.runtime]
}

# permissions_boundary_arn must be
run "refuses_a_boundary_that_is_a_name" {
  command = plan
  variables {
    permissions_boundary_arn = "boundary"
  }
  expect_failures = [var.permissions_boundary_arn]
}

# permissions_boundary_arn must be
run "refuses_a_boundary_that_is_a_role" {
  command = plan
  variables {
    permissions_boundary_arn = "arn:aws:iam::111122223333:role/boundary"
  }
  expect_failures = [var.permissions_boundary_arn]
}

run "accepts_what_is_at_the_edge" {
  command = plan
  variables {
    name                 = "abcdefghijklmnopqrstuvwxyz_012345678"
    thing_type_name      = "a:type-of_1"
    subject_attributes   = { for number in range(20) : format("%0128d", number) => "Country" }
    hook_function_arn    = "arn:aws-us-gov:lambda:us-gov-west-1:111122223333:function:admit_1:live"
    on_refusal           = "REVOKED"
    on_permanent_failure = "KEEP"
    log_retention_days   = 3653
    reserved_concurrency = 1
    runtime              = "python3.13"

    permissions_boundary_arn = "arn:aws-us-gov:iam::aws:policy/path/to/PowerUserAccess"
  }

  assert {
    condition     = length(var.name) == 36
    error_message = "This is about the longest name."
  }
}

# device_policy must be a policy document in JSON
run "refuses_a_device_policy_with_an_unknown_effect" {
  command = plan
  variables {
    device_policy = "{\"Statement\": [{\"Effect\": \"Permit\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}"
  }
  expect_failures = [var.device_policy]
}

# device_policy must be a policy document in JSON
run "refuses_a_device_policy_without_statements" {
  command = plan
  variables {
    device_policy = "{\"Statement\": []}"
  }
  expect_failures = [var.device_policy]
}

# device_policy is longer than
run "refuses_a_device_policy_of_2049_characters" {
  command = plan
  variables {
    device_policy = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"${format("%01980d", 0)}\"}}"
  }
  expect_failures = [var.device_policy]
}

# AWS IoT allows 127 characters
run "refuses_a_tag_key_of_128_characters" {
  command = plan
  variables {
    tags = { (join("", [for _ in range(128) : "k"])) = "" }
  }
  expect_failures = [var.tags]
}

# AWS IoT allows 127 characters
run "refuses_a_tag_value_of_256_characters" {
  command = plan
  variables {
    tags = { key = join("", [for _ in range(256) : "v"]) }
  }
  expect_failures = [var.tags]
}

# kms_key_arn must be the ARN of a key
run "refuses_the_alias_of_a_key" {
  command = plan
  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:alias/jitr"
  }
  expect_failures = [var.kms_key_arn]
}
