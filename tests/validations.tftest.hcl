# What the module refuses to plan, one run for each rule. The line above a run is the beginning of
# the message that the user sees; tests/contract holds the two together. No program runs and nothing
# is asked: these rules hold before that.

mock_provider "aws" {
  override_data {
    target = module.lookup.data.aws_caller_identity.current
    values = { account_id = "111122223333" }
  }
  override_data {
    target = module.lookup.data.aws_region.current
    values = { id = "eu-west-1", region = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

mock_provider "external" {
  mock_data "external" {
    defaults = { result = {} }
  }
}


# A CA must not be null
run "refuses_a_ca_that_is_null" {
  command = plan
  variables {
    certificate_authorities = { root = null, other = { certificate_pem = "PEM" } }
  }
  expect_failures = [var.certificate_authorities]
}

# certificate_pem is required.
run "refuses_a_certificate_that_is_null" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = null }, other = { certificate_pem = "PEM" } }
  }
  expect_failures = [var.certificate_authorities]
}

# certificate_pem holds a private key.
run "refuses_a_private_key" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "-----BEGIN RSA PRIVATE KEY-----" } }
  }
  expect_failures = [var.certificate_authorities]
}

# certificate_pem holds a private key.
run "refuses_a_private_key_behind_the_certificate" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----" }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# certificate_mode must be "SNI_ONLY" or "DEFAULT".
run "refuses_an_unknown_mode" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", certificate_mode = "SNI" } }
  }
  expect_failures = [var.certificate_authorities]
}

# status must be "ACTIVE" or "INACTIVE".
run "refuses_an_unknown_status" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", status = "active" } }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.type must be "JITP", "JITR" or "NONE".
run "refuses_an_unknown_provisioning_type" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", provisioning = { type = "jitp" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.type must be "JITP", "JITR" or "NONE".
run "refuses_a_provisioning_type_that_is_null" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", provisioning = { type = null } } }
  }
  expect_failures = [var.certificate_authorities]
}

# A CA with JITR gives its name in this map to the function
run "refuses_a_name_that_no_function_can_have" {
  command = plan
  variables {
    certificate_authorities = {
      "root of 2026" = { certificate_pem = "PEM", provisioning = { type = "JITR" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# A CA with JITR gives its name in this map to the function
run "refuses_a_name_of_37_letters_for_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      "abcdefghijklmnopqrstuvwxyz-0123456789" = { certificate_pem = "PEM", provisioning = { type = "JITR" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# The name of a provisioning template has 1 to 36 letters
run "refuses_a_template_name_of_37_letters" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning    = { type = "JITP", template_name = "abcdefghijklmnopqrstuvwxyz-0123456789" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# The name of a provisioning template has 1 to 36 letters
run "refuses_a_name_that_is_no_template_name" {
  command = plan
  variables {
    certificate_authorities = {
      "root of 2026" = { certificate_pem = "PEM", provisioning = { type = "JITP" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Two CAs have the same provisioning.template_name.
run "refuses_one_template_name_for_two" {
  command = plan
  variables {
    certificate_authorities = {
      one = { certificate_pem = "PEM 1", provisioning = { type = "JITP", template_name = "devices" } }
      two = { certificate_pem = "PEM 2", provisioning = { type = "JITP", template_name = "devices" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Two CAs have the same provisioning.template_name.
run "refuses_the_default_template_name_of_another" {
  command = plan
  variables {
    certificate_authorities = {
      one = { certificate_pem = "PEM 1", provisioning = { type = "JITP" } }
      two = { certificate_pem = "PEM 2", provisioning = { type = "JITP", template_name = "one" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body must be JSON with Resources
run "refuses_a_template_body_that_is_no_json" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", template_body = "Resources: {}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body must be JSON with Resources
run "refuses_a_template_body_without_resources" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", template_body = "{\"Parameters\": {}}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_that_is_no_policy" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Version\": \"2012-10-17\"}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body must be JSON with Resources
run "refuses_a_template_whose_resources_are_a_list" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", template_body = "{\"Resources\": [{\"Type\": \"AWS::IoT::Certificate\"}]}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body is longer than
run "refuses_a_template_of_10241_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", template_body = jsonencode({ Resources = { certificate = { Type = "AWS::IoT::Certificate" }, thing = { Type = "AWS::IoT::Thing", Properties = { ThingName = format("%010200d", 0) } } } }) } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has no resource of type AWS::IoT::Certificate
run "refuses_a_template_without_resources" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", template_body = "{\"Resources\": {}}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has no resource of type AWS::IoT::Certificate
run "refuses_a_template_without_a_certificate" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", template_body = jsonencode({ Resources = { thing = { Type = "AWS::IoT::Thing" } } }) } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has an AWS::IoT::Policy
run "refuses_a_template_whose_policy_has_a_name_and_a_document" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyName = "devices", PolicyDocument = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}}" } }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has an AWS::IoT::Policy
run "refuses_a_template_policy_without_name_and_document" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = {} }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has a PolicyDocument
run "refuses_a_template_with_a_policy_document_without_statements" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = "{\"Statement\": []}" } }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has a PolicyDocument
run "refuses_a_template_with_a_policy_document_of_2049_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"${format("%01980d", 0)}\"}}" } }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has a PolicyDocument
run "refuses_a_template_with_a_policy_document_that_is_an_object" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = { Statement = { Effect = "Allow", Action = "iot:Connect", Resource = "*" } } } }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has a PolicyDocument
run "refuses_a_template_with_a_policy_document_that_is_null" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = null } }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.template_body has a PolicyDocument
run "refuses_a_template_with_an_unknown_effect" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = "{\"Statement\": {\"Effect\": \"allow\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}}" } }
            }
          })
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_with_an_unknown_effect" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": [{\"Effect\": \"Permit\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_without_statements" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": []}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_whose_statement_is_text" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": \"Allow\"}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_whose_statement_is_null" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": null}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_with_a_list_of_texts" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": [\"Allow\"]}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy must be a policy document in JSON
run "refuses_a_device_policy_with_a_statement_without_an_effect" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": [{\"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy is longer than
run "refuses_a_device_policy_of_2049_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", device_policy = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"${format("%01980d", 0)}\"}}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Set provisioning.template_body or provisioning.device_policy, not both
run "refuses_a_device_policy_that_nothing_would_use" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type          = "JITP"
          template_body = "{\"Resources\": {\"certificate\": {\"Type\": \"AWS::IoT::Certificate\"}}}"
          device_policy = "{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}"
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITP has template_name, template_body, role_arn, create_role
run "refuses_settings_of_jitp_without_provisioning" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "NONE", create_role = true } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITP has template_name, template_body, role_arn, create_role
run "refuses_a_template_name_with_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITR", template_name = "root" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITP has template_name, template_body, role_arn, create_role
run "refuses_a_template_body_with_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITR", template_body = "{\"Resources\": {\"certificate\": {\"Type\": \"AWS::IoT::Certificate\"}}}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITP has template_name, template_body, role_arn, create_role
run "refuses_a_role_arn_with_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITR", role_arn = "arn:aws:iam::111122223333:role/provisioning" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITP has template_name, template_body, role_arn, create_role
run "refuses_to_make_a_role_of_jitp_with_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITR", create_role = true } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_settings_of_jitr_without_provisioning" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "NONE", runtime = "python3.12" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_thing_type_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", thing_type_name = "pump" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_attributes_of_a_thing_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", subject_attributes = {} } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_hook_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", hook_function_arn = "arn:aws:lambda:eu-west-1:111122223333:function:hook" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_an_end_of_those_refused_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", on_refusal = "REVOKED" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_status_after_a_permanent_failure_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", on_permanent_failure = "KEEP" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# jitp_alarms.alarm_actions must be ARNs.
run "refuses_an_action_of_the_alarms_of_jitp_that_is_not_an_arn" {
  command = plan
  variables {
    certificate_authorities = {}
    jitp_alarms             = { alarm_actions = ["on-call"] }
  }
  expect_failures = [var.jitp_alarms]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_alarm_actions_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", alarm_actions = [] } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_retention_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", log_retention_days = 30 } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_concurrency_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", reserved_concurrency = 5 } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_key_of_jitr_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", kms_key_arn = "arn:aws:kms:eu-west-1:111122223333:key/1" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_tracing_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", xray_tracing = true } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITP has template_name, template_body, role_arn, create_role
run "refuses_a_condition_of_jitp_with_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITR", require_source_account = true } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.require_source_account is for the role that the module creates.
run "refuses_a_condition_on_a_role_that_is_given" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type                   = "JITP"
          role_arn               = "arn:aws:iam::111122223333:role/given"
          require_source_account = true
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal
run "refuses_a_runtime_with_jitp" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", runtime = "python3.13" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.device_policy is a setting of provisioning.type "JITP" and
run "refuses_a_device_policy_without_provisioning" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "NONE", device_policy = "{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.permissions_boundary_arn is for roles that are made
run "refuses_a_boundary_without_provisioning" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning    = { type = "NONE", permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.permissions_boundary_arn is for roles that are made
run "refuses_to_bound_a_role_that_is_given" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type                     = "JITP"
          role_arn                 = "arn:aws:iam::111122223333:role/given"
          permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# More than one of provisioning.subject_attributes needs
run "refuses_too_many_attributes_for_a_thing_without_a_type" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type               = "JITR"
          subject_attributes = { maker = "Organization", serial_number = "SerialNumber" }
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.create_role = false needs a provisioning.role_arn.
run "refuses_to_go_without_a_role" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", provisioning = { type = "JITP", create_role = false } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# provisioning.create_role = true makes a role
run "refuses_to_make_a_role_beside_the_one_that_is_given" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        provisioning = {
          type        = "JITP"
          role_arn    = "arn:aws:iam::111122223333:role/provisioning"
          create_role = true
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_file holds a key
run "refuses_a_key_in_place_of_its_path" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "-----BEGIN PRIVATE KEY-----" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_file holds a key
run "refuses_base64_of_a_key_in_place_of_its_path" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "MIIE${join("", [for _ in range(20) : "abcd"])}\n" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_file is not a path
run "refuses_a_path_with_a_line_break" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "keys/root.pem\n" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_file is not a path
run "refuses_a_path_with_a_control_character" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "keys/root\u0007.pem" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

run "accepts_a_long_path_and_a_policy_document_from_a_parameter" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "Manufacturing/certificates/2025/production/authorities/rootkey" }
        provisioning = {
          type = "JITP"
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              policy      = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = { Ref = "Document" } } }
            }
          })
        }
      }
    }
  }
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_id\": \"1\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1\", \"certificate_mode\": \"DEFAULT\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }
}

# verification.certificate_pem holds a private key
run "refuses_a_key_behind_the_verification_certificate" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { certificate_pem = "PEM -----BEGIN PRIVATE KEY-----" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification takes exactly one of
run "refuses_two_proofs_of_ownership" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { certificate_pem = "PEM", ca_private_key_file = "ca.key" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification takes exactly one of
run "refuses_a_verification_without_a_proof" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", certificate_mode = "DEFAULT", verification = {} }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification takes exactly one of
run "refuses_every_proof_of_ownership_at_once" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification = {
          certificate_pem           = "PEM"
          ca_private_key_file       = "ca.key"
          ca_private_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca"
          kms_key_id                = "alias/ca"
          acm_pca_arn               = "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/1f1a"
        }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_passphrase_env goes with
run "refuses_a_passphrase_for_kms" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "alias/ca", ca_private_key_passphrase_env = "CA_PASSPHRASE" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_passphrase_env goes with
run "refuses_a_passphrase_for_a_verification_certificate" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { certificate_pem = "PEM", ca_private_key_passphrase_env = "CA_PASSPHRASE" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_passphrase_env must be the name
run "refuses_a_passphrase_in_place_of_its_variable" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "ca.key", ca_private_key_passphrase_env = "correct horse" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_passphrase_env must be the name
run "refuses_a_variable_that_begins_with_a_digit" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "ca.key", ca_private_key_passphrase_env = "1234" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_passphrase_env must be the name
run "refuses_a_variable_with_its_dollar" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "ca.key", ca_private_key_passphrase_env = "$CA_PASSPHRASE" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_secret_arn must be the ARN
run "refuses_the_name_of_a_secret" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_secret_arn = "root-ca-key" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_secret_arn must be the ARN
run "refuses_a_key_in_place_of_its_secret" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_secret_arn = "-----BEGIN PRIVATE KEY-----" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.ca_private_key_secret_arn must be the ARN
run "refuses_a_key_behind_the_arn_of_a_secret" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_secret_arn = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:-----BEGIN PRIVATE KEY-----" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.kms_key_id must be the ID
run "refuses_a_kms_alias_without_its_prefix" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "root-ca" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.kms_key_id must be the ID
run "refuses_the_arn_of_something_else_as_a_kms_key" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "arn:aws:s3:eu-west-1:111122223333:key/1234abcd" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.kms_key_id must be the ID
run "refuses_a_key_in_place_of_its_id" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "-----BEGIN PRIVATE KEY-----" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.acm_pca_arn must be the ARN
run "refuses_the_id_of_a_private_ca" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { acm_pca_arn = "11112222-3333-4444-5555-666677778888" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification.acm_pca_arn must be the ARN
run "refuses_the_arn_of_a_certificate_of_a_private_ca" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        verification     = { acm_pca_arn = "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/1f1a/certificate/2f2b" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# verification is for certificate_mode = "DEFAULT"
run "refuses_a_proof_in_sni_only_mode" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        verification    = { ca_private_key_file = "ca.key" }
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# force_mode_change = true goes with
run "refuses_to_force_what_is_not_allowed" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem   = "PEM"
        force_mode_change = true
      }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# on_destroy must be "delete", "deactivate" or "retain".
run "refuses_an_unknown_on_destroy" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", on_destroy = "keep" } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tag keys must not begin with "iot-ca:"
run "refuses_a_tag_of_its_own_on_a_ca" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "iot-ca:revision" = "mine" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tag keys must not begin with "iot-ca:"
run "refuses_a_tag_of_aws_on_a_ca" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "AWS:owner" = "me" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tag keys must not begin with "iot-ca:"
run "refuses_a_tag_of_its_own_on_everything" {
  command = plan
  variables {
    certificate_authorities = {}
    tags                    = { "iot-ca:origin" = "registered" }
  }
  expect_failures = [var.tags]
}

# Tag keys must not begin with "iot-ca:"
run "refuses_a_tag_of_aws_on_everything" {
  command = plan
  variables {
    certificate_authorities = {}
    tags                    = { "aws:createdBy" = "me" }
  }
  expect_failures = [var.tags]
}

# credentials.role_arn must be the ARN of an IAM role
run "refuses_a_role_that_is_no_arn" {
  command = plan
  variables {
    certificate_authorities = {}
    credentials             = { role_arn = "deployer" }
  }
  expect_failures = [var.credentials]
}

# credentials.role_arn must be the ARN of an IAM role
run "refuses_the_arn_of_a_user" {
  command = plan
  variables {
    certificate_authorities = {}
    credentials             = { role_arn = "arn:aws:iam::111122223333:user/deployer" }
  }
  expect_failures = [var.credentials]
}

# credentials.external_id and credentials.session_name need
run "refuses_an_external_id_without_a_role" {
  command = plan
  variables {
    certificate_authorities = {}
    credentials             = { external_id = "secret" }
  }
  expect_failures = [var.credentials]
}

# credentials.external_id and credentials.session_name need
run "refuses_a_session_name_without_a_role" {
  command = plan
  variables {
    certificate_authorities = {}
    credentials             = { profile = "deployer", session_name = "session" }
  }
  expect_failures = [var.credentials]
}

# expiry_warning_days must be a whole number.
run "refuses_to_warn_from_half_a_day_on" {
  command = plan
  variables {
    certificate_authorities = {}
    expiry_warning_days     = 29.5
  }
  expect_failures = [var.expiry_warning_days]
}

# expiry_warning_days must be 0 (no warning before a CA has expired) to 36500
run "refuses_to_warn_from_two_centuries_on" {
  command = plan
  variables {
    certificate_authorities = {}
    expiry_warning_days     = 73000
  }
  expect_failures = [var.expiry_warning_days]
}

# expiry_warning_days must be 0 (no warning before a CA has expired) to 36500
run "refuses_to_warn_after_the_end" {
  command = plan
  variables {
    certificate_authorities = {}
    expiry_warning_days     = -1
  }
  expect_failures = [var.expiry_warning_days]
}

# python_command must have at least one word.
run "refuses_an_empty_python_command" {
  command = plan
  variables {
    certificate_authorities = {}
    python_command          = []
  }
  expect_failures = [var.python_command]
}

run "accepts_no_ca_at_all" {
  command = plan
  variables {
    certificate_authorities = {}
  }
  assert {
    condition     = length(var.certificate_authorities) == 0
    error_message = "Nothing was given."
  }
}

run "accepts_every_place_of_a_key" {
  command = plan
  variables {
    certificate_authorities = {
      encrypted-file = {
        certificate_pem  = "PEM 1"
        certificate_mode = "DEFAULT"
        verification     = { ca_private_key_file = "~/keys/root ca.key", ca_private_key_passphrase_env = "_Ca1" }
      }
      secret = {
        certificate_pem  = "PEM 2"
        certificate_mode = "DEFAULT"
        verification = {
          ca_private_key_secret_arn     = "arn:aws-us-gov:secretsmanager:us-gov-west-1:111122223333:secret:team/root+ca@2026-AbCdEf"
          ca_private_key_passphrase_env = "CA_PASSPHRASE"
        }
      }
      key-id = {
        certificate_pem  = "PEM 3"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "1234abcd-12ab-34cd-56ef-1234567890ab" }
      }
      multi-region-key = {
        certificate_pem  = "PEM 4"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "mrk-1234abcd12ab34cd56ef1234567890ab" }
      }
      key-arn = {
        certificate_pem  = "PEM 5"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "arn:aws-cn:kms:cn-north-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab" }
      }
      alias = {
        certificate_pem  = "PEM 6"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "alias/iot/root_CA-2026" }
      }
      alias-arn = {
        certificate_pem  = "PEM 7"
        certificate_mode = "DEFAULT"
        verification     = { kms_key_id = "arn:aws:kms:eu-west-1:111122223333:alias/root-ca" }
      }
      private-ca = {
        certificate_pem  = "PEM 8"
        certificate_mode = "DEFAULT"
        verification     = { acm_pca_arn = "arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/11112222-3333-4444-5555-666677778888" }
      }
      way-back = {
        certificate_pem   = "PEM 9"
        allow_mode_change = true
        verification      = { kms_key_id = "alias/root-ca" }
      }
      forced = {
        certificate_pem   = "PEM 10"
        allow_mode_change = true
        force_mode_change = true
        force_destroy     = true
      }
    }
  }
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        for name in [
          "encrypted-file", "secret", "key-id", "multi-region-key", "key-arn", "alias", "alias-arn", "private-ca", "way-back", "forced"
        ] : name => "{\"certificate_id\": \"a\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/a\", \"certificate_mode\": \"DEFAULT\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }
  assert {
    condition     = length(var.certificate_authorities) == 10
    error_message = "A CA was lost on the way."
  }
}

run "accepts_the_edge_of_every_rule" {
  command = plan
  variables {
    expiry_warning_days = 0

    python_command = ["uv", "run", "--with", "boto3,cryptography", "python"]
    tags           = { "aws" = "no prefix", "iot-ca" = "no prefix" }
    credentials = {
      profile      = "deployer"
      role_arn     = "arn:aws-us-gov:iam::111122223333:role/path/to/deployer"
      external_id  = "id"
      session_name = "session"
    }
    certificate_authorities = {
      "abcdefghijklmnopqrstuvwxyz_0123456789" = {
        certificate_pem = "PEM"
        provisioning    = { type = "JITP", template_name = "abcdefghijklmnopqrstuvwxyz_012345678" }
      }
      "a name with spaces and \"quotes\"" = {
        certificate_pem   = "PEM"
        certificate_mode  = "DEFAULT"
        status            = "INACTIVE"
        auto_registration = false
        on_destroy        = "deactivate"
        verification      = { certificate_pem = "PEM" }
        tags              = { "billing:aws:" = "inside and not in front" }
      }
      "key-file" = {
        certificate_pem  = "PEM"
        certificate_mode = "DEFAULT"
        on_destroy       = "retain"
        verification     = { ca_private_key_file = "ca.key" }
        provisioning = {
          type        = "JITP"
          role_arn    = "arn:aws:iam::111122223333:role/provisioning"
          create_role = false
          template_body = jsonencode({
            Resources = {
              certificate = { Type = "AWS::IoT::Certificate" }
              by_name     = { Type = "AWS::IoT::Policy", Properties = { PolicyName = "devices" } }
              by_document = {
                Type       = "AWS::IoT::Policy"
                Properties = { PolicyDocument = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}}" }
              }
              by_reference = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = { Ref = "Document" } } }
            }
          })
        }
      }
      z = {
        certificate_pem = "PEM"
        on_destroy      = "delete"
        provisioning = {
          type          = "JITP"
          template_name = null
          # One statement needs no list. 2,048 characters, and white space, which does not count.
          device_policy = join("", [
            "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"",
            format("%01979d", 0), "\"}}", join("", [for _ in range(500) : "\n"])
          ])
          subject_attributes       = null
          permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
        }
      }
      "abcdefghijklmnopqrstuvwxyz_012345678" = {
        certificate_pem = "PEM"
        provisioning = {
          type                 = "JITR"
          device_policy        = "{\"Statement\": [{\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}"
          thing_type_name      = "pump"
          subject_attributes   = { maker = "Organization", serial_number = "SerialNumber" }
          hook_function_arn    = "arn:aws:lambda:eu-west-1:111122223333:function:hook"
          on_refusal           = "REVOKED"
          on_permanent_failure = "KEEP"
          alarm_actions        = ["arn:aws:sns:eu-west-1:111122223333:on-call"]
          log_retention_days   = 1
          reserved_concurrency = 1
          runtime              = "python3.13"
          kms_key_arn          = "arn:aws:kms:eu-west-1:111122223333:key/1"
          xray_tracing         = true

          permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
        }
      }
      "all-null" = {
        certificate_pem = "PEM"
        provisioning = {
          type          = "JITR"
          template_name = null
          template_body = null
          role_arn      = null
          create_role   = null
        }
      }
    }
  }
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        "abcdefghijklmnopqrstuvwxyz_0123456789" = "{\"certificate_id\": \"a\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/a\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        "a name with spaces and \"quotes\""     = "{\"certificate_id\": \"b\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/b\", \"certificate_mode\": \"DEFAULT\", \"status\": \"INACTIVE\", \"auto_registration_status\": \"DISABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        "key-file"                              = "{\"certificate_id\": \"c\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/c\", \"certificate_mode\": \"DEFAULT\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        "z"                                     = "{\"certificate_id\": \"d\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/d\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        "abcdefghijklmnopqrstuvwxyz_012345678"  = "{\"certificate_id\": \"e\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/e\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        "all-null"                              = "{\"certificate_id\": \"f\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/f\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }
  assert {
    condition     = length(var.certificate_authorities) == 6
    error_message = "A CA was lost on the way."
  }
}

# region must be the name of an AWS Region
run "refuses_a_region_that_is_no_name" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM" } }
    region                  = "Ireland"
  }
  expect_failures = [var.region]
}
