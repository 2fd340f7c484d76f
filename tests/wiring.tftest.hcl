# How the parts of the root module hang together. AWS and the program are mocked: the answers of the
# program are below, one CA with a template, one without. Only plans: what `terraform apply` does
# with terraform_data can't be mocked and is for the end-to-end tests.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-1", region = "eu-west-1" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/made" }
  }
}


mock_provider "external" {
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        devices  = <<-EOT
          {
            "certificate_id": "1f1a",
            "certificate_arn": "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a",
            "certificate_mode": "SNI_ONLY",
            "status": "ACTIVE",
            "auto_registration_status": "ENABLE",
            "not_before": "2026-01-01T00:00:00Z",
            "not_after": "2036-01-01T00:00:00Z",
            "revision": "register 00000001",
            "request": "{\"name\": \"devices\"}",
            "drift": [],
            "differences": [],
            "is_reconciled": true,
            "default_tags": {},
            "default_tags_digest": "",
            "warnings": []
          }
        EOT
        gateways = <<-EOT
          {
            "certificate_id": "2f2b",
            "certificate_arn": "arn:aws:iot:eu-west-1:111122223333:cacert/2f2b",
            "certificate_mode": "DEFAULT",
            "status": "INACTIVE",
            "auto_registration_status": "DISABLE",
            "not_before": "2026-02-02T00:00:00Z",
            "not_after": "2046-02-02T00:00:00Z",
            "revision": "repair status=ACTIVE 00000002",
            "request": "{\"name\": \"gateways\"}",
            "drift": [],
            "differences": [],
            "is_reconciled": true,
            "default_tags": {},
            "default_tags_digest": "",
            "warnings": []
          }
        EOT
      }
    }
  }
}

variables {
  # The answers above are not to expire in a test of something else.
  expiry_warning_days = 0

  tags        = { team = "fleet", stage = "production" }
  jitp_alarms = { alarm_actions = ["arn:aws:sns:eu-west-1:111122223333:on-call"] }
  certificate_authorities = {
    devices = {
      certificate_pem = "PEM of devices"
      provisioning    = { type = "JITP" }
      tags            = { stage = "trial" }
    }
    gateways = {
      certificate_pem   = "PEM of gateways"
      certificate_mode  = "DEFAULT"
      status            = "INACTIVE"
      auto_registration = false
      verification      = { ca_private_key_file = "ca.key" }
      on_destroy        = "retain"
    }
  }
}

run "what_goes_in_and_comes_out" {
  command = plan

  assert {
    condition     = length(output.jitp_alarm_arns) == 2
    error_message = "The alarms of JITP are not created once for all CAs."
  }

  assert {
    condition = output.certificate_authorities["gateways"] == {
      certificate_id             = "2f2b"
      certificate_arn            = "arn:aws:iot:eu-west-1:111122223333:cacert/2f2b"
      certificate_mode           = "DEFAULT"
      status                     = "INACTIVE"
      auto_registration_status   = "DISABLE"
      not_before                 = "2026-02-02T00:00:00Z"
      not_after                  = "2046-02-02T00:00:00Z"
      provisioning_template_name = null
      provisioning_template_arn  = null
    }
    error_message = "The output of a CA without a template is not what the lookup answered."
  }
  assert {
    condition = alltrue([
      output.certificate_authorities["devices"].certificate_id == "1f1a",
      output.certificate_authorities["devices"].certificate_arn == "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a",
      output.certificate_authorities["devices"].certificate_mode == "SNI_ONLY",
      output.certificate_authorities["devices"].status == "ACTIVE",
      output.certificate_authorities["devices"].auto_registration_status == "ENABLE",
      output.certificate_authorities["devices"].not_before == "2026-01-01T00:00:00Z",
      output.certificate_authorities["devices"].not_after == "2036-01-01T00:00:00Z",
      output.certificate_authorities["devices"].provisioning_template_name == "devices",
    ])
    error_message = "The output of a CA with a template is not what the lookup answered."
  }
  assert {
    condition     = keys(output.certificate_authorities) == ["devices", "gateways"]
    error_message = "The output has other names than the input."
  }
  assert {
    condition = module.registration.revisions == {
      devices  = "register 00000001"
      gateways = "repair status=ACTIVE 00000002"
    }
    error_message = "The revisions of the lookup don't reach the registration."
  }
  assert {
    condition     = length(module.jitp) == 1
    error_message = "There is not exactly one template for each CA of type JITP."
  }
  assert {
    condition     = length(module.jitr) == 0 && length(output.jitr) == 0
    error_message = "Something answers events that no CA of type JITR sends."
  }
  assert {
    condition     = [for made in module.jitp : made.template_name][0] == "devices"
    error_message = "Without a template_name the template has the CA's name."
  }
  assert {
    condition     = local.desired_certificate_authorities["devices"].template_name == "devices"
    error_message = "The lookup does not compare the template that will be made."
  }
  assert {
    condition     = local.desired_certificate_authorities["gateways"].template_name == null
    error_message = "A CA without provisioning is wanted without a template."
  }
  assert {
    condition     = local.desired_certificate_authorities["devices"].tags == tomap({ team = "fleet", stage = "trial" })
    error_message = "A CA's own tags must win over the module's."
  }
  assert {
    condition     = local.desired_certificate_authorities["gateways"].tags == tomap({ team = "fleet", stage = "production" })
    error_message = "The module's tags don't reach a CA without tags of its own."
  }
  assert {
    condition = alltrue([
      local.desired_certificate_authorities["gateways"].certificate_pem == "PEM of gateways",
      local.desired_certificate_authorities["gateways"].certificate_mode == "DEFAULT",
      local.desired_certificate_authorities["gateways"].status == "INACTIVE",
      local.desired_certificate_authorities["gateways"].auto_registration == false,
      local.desired_certificate_authorities["gateways"].verification.ca_private_key_file == "ca.key",
      local.desired_certificate_authorities["gateways"].verification.certificate_pem == null,
      local.desired_certificate_authorities["gateways"].allow_mode_change == false,
    ])
    error_message = "A setting does not reach the program."
  }
  assert {
    condition = alltrue([
      local.desired_certificate_authorities["devices"].certificate_mode == "SNI_ONLY",
      local.desired_certificate_authorities["devices"].status == "ACTIVE",
      local.desired_certificate_authorities["devices"].auto_registration == true,
      local.desired_certificate_authorities["devices"].verification == null,
      local.desired_certificate_authorities["devices"].allow_mode_change == false,
      local.desired_certificate_authorities["devices"].force_mode_change == false,
    ])
    error_message = "A default is not as documented."
  }
}

run "auto_registration_is_on_where_devices_are_provisioned" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM of devices", provisioning = { type = "JITR" } }
      gateways = { certificate_pem = "PEM of gateways", provisionig = { type = "JITP" } }
    }
  }

  assert {
    condition = {
      for name, ca in local.desired_certificate_authorities : name => ca.auto_registration
    } == { devices = true, gateways = false }
    error_message = "The default does not depend on the type of provisioning."
  }
}

run "who_answers_the_events_alone_turns_auto_registration_on" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM of devices", auto_registration = true }
      gateways = { certificate_pem = "PEM of gateways", auto_registration = null }
    }
  }

  assert {
    condition = {
      for name, ca in local.desired_certificate_authorities : name => ca.auto_registration
    } == { devices = true, gateways = false }
    error_message = "The setting does not win over the default, or null is not the default."
  }
}

run "the_providers_default_tags_are_under_all_others" {
  command = plan
  override_data {
    target = data.aws_default_tags.current
    values = { tags = { cost = "12", team = "of the provider", stage = "of the provider" } }
  }

  assert {
    condition     = jsondecode(module.lookup.certificate_authorities["devices"].request).default_tags == { cost = "12" }
    error_message = "The provider's default tags don't reach a CA, or win over the module's or its own."
  }
  assert {
    condition     = !contains(keys(local.certificate_authorities["devices"].tags), "cost")
    error_message = "The provider adds its default tags to resources itself."
  }
}

run "a_change_of_mode_and_where_the_key_is_reach_the_program" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        certificate_pem   = "PEM of devices"
        allow_mode_change = true
        force_mode_change = true
        verification = {
          ca_private_key_secret_arn     = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca"
          ca_private_key_passphrase_env = "CA_PASSPHRASE"
        }
      }
      gateways = {
        certificate_pem   = "PEM of gateways"
        certificate_mode  = "DEFAULT"
        allow_mode_change = true
        verification      = { kms_key_id = "alias/ca" }
      }
    }
  }

  assert {
    condition = alltrue([
      local.desired_certificate_authorities["devices"].allow_mode_change,
      local.desired_certificate_authorities["devices"].force_mode_change,
      local.desired_certificate_authorities["gateways"].allow_mode_change,
      !local.desired_certificate_authorities["gateways"].force_mode_change,
    ])
    error_message = "The program is not told which mode may be changed."
  }
  assert {
    condition = jsonencode(local.desired_certificate_authorities["devices"].verification) == jsonencode({
      acm_pca_arn                   = null
      ca_private_key_file           = null
      ca_private_key_passphrase_env = "CA_PASSPHRASE"
      ca_private_key_secret_arn     = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:ca"
      certificate_pem               = null
      kms_key_id                    = null
    })
    error_message = "Where the key is does not reach the program."
  }
  assert {
    condition     = local.desired_certificate_authorities["gateways"].verification.kms_key_id == "alias/ca"
    error_message = "The key in KMS does not reach the program."
  }
}

run "the_account_and_region_are_the_providers" {
  command = plan
  variables {
    credentials = { role_arn = "arn:aws:iam::111122223333:role/deployer", external_id = "id" }
  }

  assert {
    condition = jsonencode(module.lookup.target) == jsonencode({
      account_id = "111122223333"
      region     = "eu-west-1"
      credentials = {
        profile      = null
        role_arn     = "arn:aws:iam::111122223333:role/deployer"
        external_id  = "id"
        session_name = null
      }
    })
    error_message = "The program is not told which account, region and credentials are meant."
  }
}

run "a_template_may_have_a_name_of_its_own" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM", provisioning = { type = "JITP", template_name = "Fleet_1" } }
      gateways = { certificate_pem = "PEM", provisioning = { type = "JITP" } }
    }
  }

  assert {
    condition     = join(" ", sort([for made in module.jitp : made.template_name])) == "Fleet_1 gateways"
    error_message = "template_name does not name the template."
  }
  assert {
    condition     = output.certificate_authorities["devices"].provisioning_template_name == "Fleet_1"
    error_message = "template_name does not come out."
  }
  assert {
    condition     = local.desired_certificate_authorities["devices"].template_name == "Fleet_1"
    error_message = "template_name does not reach the lookup."
  }
}

run "a_role_may_be_given" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        certificate_pem = "PEM"
        provisioning    = { type = "JITP", role_arn = "arn:aws:iam::111122223333:role/given" }
      }
      gateways = {
        certificate_pem = "PEM"
        provisioning    = { type = "JITP", role_arn = "arn:aws:iam::111122223333:role/other", create_role = false }
      }
    }
  }

  assert {
    condition = { for made in module.jitp : made.template_name => made.role_arn } == {
      devices  = "arn:aws:iam::111122223333:role/given"
      gateways = "arn:aws:iam::111122223333:role/other"
    }
    error_message = "role_arn does not reach the template."
  }
}

run "a_function_answers_the_events_of_a_ca_with_jitr" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM", provisioning = { type = "JITP" } }
      gateways = { certificate_pem = "PEM", certificate_mode = "DEFAULT", provisioning = { type = "JITR" } }
    }
  }

  assert {
    condition     = keys(module.jitr) == ["gateways"] && keys(module.jitp) == ["devices"]
    error_message = "Not each CA has what its type of provisioning asks for."
  }
  assert {
    condition     = local.desired_certificate_authorities["gateways"].template_name == null
    error_message = "AWS IoT sends no event for a CA that names a template."
  }
  assert {
    condition = alltrue([
      output.certificate_authorities["gateways"].certificate_id == "2f2b",
      output.certificate_authorities["gateways"].provisioning_template_name == null,
      output.certificate_authorities["gateways"].provisioning_template_arn == null,
      output.certificate_authorities["devices"].provisioning_template_name == "devices",
    ])
    error_message = "The output of a CA with JITR has a template."
  }
  assert {
    condition     = keys(output.jitr) == ["gateways"]
    error_message = "The output has other CAs than those of type JITR."
  }
  assert {
    condition = alltrue([
      output.jitr["gateways"].function_name == "iot-jitr-gateways",
      output.jitr["gateways"].log_group_name == "/aws/lambda/iot-jitr-gateways",
      output.jitr["gateways"].rule_name == "iot_jitr_gateways_${substr(sha256("gateways"), 0, 8)}",
      output.jitr["gateways"].policy_name == "iot-jitr-gateways",
    ])
    error_message = "What answers the events does not come out under the CA's name."
  }
}

# Most of it is only known after apply: here the module is told what to answer.
run "the_output_has_each_answer_of_the_module_under_its_name" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM" }
      gateways = { certificate_pem = "PEM", provisioning = { type = "JITR" } }
    }
  }

  override_module {
    target = module.jitr
    outputs = {
      rule_name             = "rule"
      rule_arn              = "rule arn"
      function_name         = "function"
      function_arn          = "function arn"
      source_code_hash      = "hash"
      policy_name           = "policy"
      role_arn              = "role arn"
      log_group_name        = "log"
      dead_letter_queue_url = "queue url"
      dead_letter_queue_arn = "queue arn"
      alarm_arns            = ["first alarm", "second alarm", "third alarm"]
    }
  }

  assert {
    condition = jsonencode(output.jitr) == jsonencode({
      gateways = {
        function_name         = "function"
        log_group_name        = "log"
        rule_name             = "rule"
        policy_name           = "policy"
        role_arn              = "role arn"
        dead_letter_queue_url = "queue url"
        dead_letter_queue_arn = "queue arn"
        alarm_arns            = ["first alarm", "second alarm", "third alarm"]
      }
    })
    error_message = "An attribute of the output is missing, or is another one of the module."
  }
}

run "settings_that_are_null_are_as_if_left_out" {
  command = plan
  variables {
    certificate_authorities = {
      devices = {
        certificate_pem = "PEM"
        provisioning = {
          type                 = "JITR"
          device_policy        = null
          thing_type_name      = null
          subject_attributes   = null
          hook_function_arn    = null
          on_refusal           = null
          on_permanent_failure = null
          alarm_actions        = null
          log_retention_days   = null
          reserved_concurrency = null
          runtime              = null
          kms_key_arn          = null
          xray_tracing         = null

          permissions_boundary_arn = null
        }
      }
      gateways = { certificate_pem = "PEM", provisioning = null }
    }
  }

  # A null that gets through to a rule of modules/jitr fails the plan.
  assert {
    condition     = keys(output.jitr) == ["devices"]
    error_message = "Null is not the default."
  }
}

run "a_function_that_no_device_gets_to_is_a_warning" {
  command = plan
  variables {
    jitp_alarms = null
    certificate_authorities = {
      devices  = { certificate_pem = "PEM", auto_registration = true, provisioning = { type = "JITR" } }
      gateways = { certificate_pem = "PEM", auto_registration = false, provisioning = { type = "JITR" } }
    }
  }
  expect_failures = [check.just_in_time_provisioning]
}

run "a_ca_that_provisions_nothing_needs_no_auto_registration" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM", auto_registration = true, provisioning = { type = "JITR" } }
      gateways = { certificate_pem = "PEM", auto_registration = false }
    }
  }

  assert {
    condition     = keys(module.jitr) == ["devices"]
    error_message = "Only one of the two is provisioned."
  }
}

run "a_template_that_no_device_gets_to_is_a_warning" {
  command = plan
  variables {
    certificate_authorities = {
      devices  = { certificate_pem = "PEM", auto_registration = false, provisioning = { type = "JITP" } }
      gateways = { certificate_pem = "PEM", auto_registration = true, provisioning = { type = "JITP" } }
    }
  }
  expect_failures = [check.just_in_time_provisioning]
}

run "a_ca_that_expires_soon_is_a_warning" {
  command = plan
  variables {
    expiry_warning_days = 36500
  }
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        devices  = "{\"certificate_id\": \"1\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"9999-12-31T23:59:59Z\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        gateways = "{\"certificate_id\": \"2\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/2\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"2099-02-28T00:00:00Z\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }
  expect_failures = [check.ca_expiring]

  assert {
    condition     = join(",", local.expiring_names) == "gateways"
    error_message = "The one that expires in 2099 is meant, the one of no well-defined end is not."
  }
}

run "a_ca_that_has_expired_is_not_warned_of_twice" {
  command = plan
  variables {
    expiry_warning_days = 36500
  }
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        devices  = "{\"certificate_id\": \"1\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"2020-01-01T00:00:00Z\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
        gateways = "{\"certificate_id\": \"2\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/2\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }

  assert {
    condition     = length(local.expiring_names) == 0
    error_message = "The lookup's warning is enough for one, and the other has no time."
  }
}

run "a_template_that_the_state_has_lost_is_to_be_imported" {
  command = plan
  override_data {
    target = module.lookup.data.external.certificate_authorities
    values = {
      result = {
        devices  = "{\"certificate_id\": \"1\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": [], \"template_exists\": true, \"address_prefix\": \"module.iot_ca.\"}"
        gateways = "{\"certificate_id\": \"2\", \"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/2\", \"certificate_mode\": \"SNI_ONLY\", \"status\": \"ACTIVE\", \"auto_registration_status\": \"ENABLE\", \"not_before\": \"\", \"not_after\": \"\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": [], \"template_exists\": false, \"address_prefix\": \"\"}"
      }
    }
  }
  expect_failures = [check.provisioning_templates]

  assert {
    condition     = join(",", local.templates_to_import) == "devices"
    error_message = "Of the two only devices has a template that exists already."
  }
}
