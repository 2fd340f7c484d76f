# What the program is asked and what is made of its answer. The program itself is mocked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-1", region = "eu-west-1" }
  }
}

mock_provider "external" {
  mock_data "external" {
    defaults = {
      result = {
        root = "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1f1a\", \"differences\": [], \"certificate_id\": \"1f1a\", \"revision\": \"register 00000001\", \"request\": \"{\\\"name\\\": \\\"root\\\"}\", \"drift\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }
}

variables {
  certificate_authorities = { root = { certificate_pem = "PEM" } }
}

run "one_process_is_asked_and_its_answer_comes_out" {
  command = plan

  assert {
    condition = jsondecode(data.external.certificate_authorities[0].query.certificate_authorities) == {
      root = {
        certificate_pem   = "PEM"
        certificate_mode  = "SNI_ONLY"
        status            = "ACTIVE"
        auto_registration = false
        template_name     = null
        verification      = null
        allow_mode_change = false
        force_mode_change = false
        tags              = {}
      }
    }
    error_message = "The query is not each CA as it should be."
  }
  assert {
    condition = jsondecode(data.external.certificate_authorities[0].query.target) == {
      account_id  = "111122223333"
      region      = "eu-west-1"
      credentials = { profile = null, role_arn = null, external_id = null, session_name = null }
    }
    error_message = "The query does not name the provider's account and region."
  }
  assert {
    condition     = join(" ", keys(data.external.certificate_authorities[0].query)) == "certificate_authorities target"
    error_message = "The query holds something else."
  }
  assert {
    condition     = output.certificate_authorities["root"].certificate_id == "1f1a"
    error_message = "The answer is not decoded."
  }
  assert {
    condition     = jsondecode(output.certificate_authorities["root"].request) == { name = "root", default_tags = {}, default_tags_digest = "" }
    error_message = "The request is not the one that the program wrote, with the default tags."
  }
  assert {
    condition     = output.target.account_id == "111122223333" && output.target.region == "eu-west-1"
    error_message = "The target is not the provider's account and region."
  }
}

run "a_change_of_mode_and_every_proof_are_asked_about" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem   = "PEM"
        certificate_mode  = "DEFAULT"
        allow_mode_change = true
        force_mode_change = true
        verification = {
          certificate_pem               = "proof"
          ca_private_key_file           = "ca.key"
          ca_private_key_secret_arn     = "secret"
          ca_private_key_passphrase_env = "VARIABLE"
          kms_key_id                    = "key"
          acm_pca_arn                   = "private CA"
        }
      }
    }
  }

  assert {
    condition = jsondecode(data.external.certificate_authorities[0].query.certificate_authorities).root.verification == {
      certificate_pem               = "proof"
      ca_private_key_file           = "ca.key"
      ca_private_key_secret_arn     = "secret"
      ca_private_key_passphrase_env = "VARIABLE"
      kms_key_id                    = "key"
      acm_pca_arn                   = "private CA"
    }
    error_message = "A proof of ownership does not reach the program."
  }
  assert {
    condition = alltrue([
      jsondecode(data.external.certificate_authorities[0].query.certificate_authorities).root.allow_mode_change,
      jsondecode(data.external.certificate_authorities[0].query.certificate_authorities).root.force_mode_change,
    ])
    error_message = "The program is not told that the mode may be changed."
  }
}

run "the_program_runs_with_the_given_python_and_credentials" {
  command = plan
  variables {
    python_command = ["uv", "run", "python"]
    credentials    = { profile = "deployer" }
  }

  assert {
    condition = data.external.certificate_authorities[0].program == tolist([
      "uv", "run", "python", "${path.module}/../../scripts/iot_ca", "inspect"
    ])
    error_message = "The program is not called as it should be."
  }
  assert {
    condition     = jsondecode(data.external.certificate_authorities[0].query.target).credentials.profile == "deployer"
    error_message = "The program does not learn of the profile."
  }
  assert {
    condition     = output.target.credentials.profile == "deployer"
    error_message = "The registration would not learn of the profile."
  }
}

run "drift_is_a_warning_that_names_the_ca" {
  command = plan
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1f1a\", \"request\": \"{}\", \"differences\": [], \"certificate_id\": \"1f1a\", \"revision\": \"1\", \"drift\": [\"status is INACTIVE, wanted ACTIVE\"], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }
  expect_failures = [check.drift]
}

run "warnings_about_a_certificate_are_shown" {
  command = plan
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1f1a\", \"request\": \"{}\", \"differences\": [], \"certificate_id\": \"1f1a\", \"revision\": \"1\", \"drift\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": [\"expired\"]}"
      }
    }
  }
  expect_failures = [check.certificates]
}

run "an_answer_about_other_cas_is_refused" {
  command = plan
  override_data {
    target = data.external.certificate_authorities
    values = { result = { other = "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1f1a\", \"revision\": \"1\", \"request\": \"{}\", \"differences\": [], \"drift\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}" } }
  }
  expect_failures = [data.external.certificate_authorities[0]]
}

run "a_digest_is_of_the_first_certificate_in_any_form" {
  command = plan
  variables {
    certificate_authorities = {
      lf    = { certificate_pem = "-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n" }
      crlf  = { certificate_pem = "subject=CN = a root\r\n-----BEGIN CERTIFICATE-----\r\nMIIBAAAA\r\n-----END CERTIFICATE-----\r\n" }
      chain = { certificate_pem = "-----BEGIN CERTIFICATE-----\nMI\nIB\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n" }
      other = { certificate_pem = "-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n" }
    }
  }
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        for name in ["lf", "crlf", "chain", "other"] : name => "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1f1a\", \"revision\": \"1\", \"request\": \"{}\", \"differences\": [], \"drift\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}"
      }
    }
  }

  assert {
    condition = output.certificate_digests == {
      lf    = sha256("MIIBAAAA")
      crlf  = sha256("MIIBAAAA")
      chain = sha256("MIIBAAAA")
      other = sha256("MIIC")
    }
    error_message = "Line ends, leading text or a chain would make it another certificate."
  }
}

run "with_the_region_the_query_names_no_account" {
  command = plan
  variables { region = "eu-west-1" }

  assert {
    condition = jsondecode(data.external.certificate_authorities_of_region[0].query.target) == {
      region      = "eu-west-1"
      credentials = { profile = null, role_arn = null, external_id = null, session_name = null }
    }
    error_message = "The query does not name the Region alone."
  }
  assert {
    condition     = length(data.external.certificate_authorities) == 0
    error_message = "The program runs twice."
  }
  assert {
    condition     = output.target.account_id == "111122223333"
    error_message = "The target is not the provider's account."
  }
}

run "an_answer_from_another_account_is_refused" {
  command = plan
  variables { region = "eu-west-1" }
  override_data {
    target = data.external.certificate_authorities_of_region
    values = { result = { root = "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:444455556666:cacert/1f1a\", \"revision\": \"1\", \"request\": \"{}\", \"drift\": [\"status is INACTIVE\"], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": [\"expired\"]}" } }
  }
  expect_failures = [output.certificate_authorities]
}

run "another_region_than_the_providers_is_refused" {
  command = plan
  variables { region = "eu-central-1" }
  expect_failures = [output.certificate_authorities]
}

run "default_tags_that_the_ca_carries_are_no_difference" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { team = "of the CA" } } }
    default_tags            = { cost = "12", team = "of the provider" }
  }
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_arn\": \"arn\", \"request\": \"{}\", \"warnings\": [], \"revision\": \"adopt 00000001-00000002\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {\"cost\": \"12\"}, \"default_tags_digest\": \"c9822d3b\"}"
      }
    }
  }

  assert {
    condition     = output.certificate_authorities["root"].revision == "adopt 00000001-00000002"
    error_message = "There is something to apply."
  }
  assert {
    condition     = jsondecode(output.certificate_authorities["root"].request).default_tags == { cost = "12" }
    error_message = "The request does not have the default tags without those that the CA overrides."
  }
}

run "default_tags_that_the_configuration_changes_are_no_drift" {
  command = plan
  variables { default_tags = { cost = "13" } }
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_arn\": \"arn\", \"request\": \"{}\", \"warnings\": [], \"revision\": \"adopt 00000001-00000002\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {\"cost\": \"12\"}, \"default_tags_digest\": \"c9822d3b\"}"
      }
    }
  }

  assert {
    condition     = can(regex("^update tags 00000001-[0-9a-f]{8}$", output.certificate_authorities["root"].revision))
    error_message = "The change is not planned, or not with the digest of the CA's own state."
  }
  assert {
    condition     = length(output.certificate_authorities["root"].drift) == 0
    error_message = "A change of the configuration is reported as drift."
  }
  assert {
    condition     = output.certificate_authorities["root"].differences == ["tag cost is 12, wanted 13"]
    error_message = "The difference is not named."
  }
}

run "default_tags_that_were_changed_outside_terraform_are_drift" {
  command = plan
  variables { default_tags = { cost = "12", team = "devices" } }
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_arn\": \"arn\", \"request\": \"{}\", \"warnings\": [], \"revision\": \"adopt 00000001-00000002\", \"drift\": [], \"differences\": [], \"is_reconciled\": true, \"default_tags\": {\"cost\": \"1\", \"old\": \"x\"}, \"default_tags_digest\": \"6213a327\"}"
      }
    }
  }
  expect_failures = [check.drift]

  assert {
    condition = output.certificate_authorities["root"].drift == [
      "tag cost is 1, wanted 12", "tag old is x, wanted none", "tag team is missing, wanted devices"
    ]
    error_message = "The drift is not named."
  }
  assert {
    condition     = can(regex("^repair tags 00000001-[0-9a-f]{8}$", output.certificate_authorities["root"].revision))
    error_message = "The repair is not planned."
  }
}

run "the_programs_revision_counts_if_there_are_more_differences" {
  command = plan
  variables { default_tags = { cost = "12" } }
  override_data {
    target = data.external.certificate_authorities
    values = {
      result = {
        root = "{\"certificate_arn\": \"arn\", \"request\": \"{}\", \"warnings\": [], \"revision\": \"register 00000001-00000002\", \"drift\": [], \"differences\": [\"not registered\"], \"is_reconciled\": false, \"default_tags\": {}, \"default_tags_digest\": \"\"}"
      }
    }
  }

  assert {
    condition     = output.certificate_authorities["root"].revision == "register 00000001-00000002"
    error_message = "The program's revision is replaced."
  }
  assert {
    condition     = output.certificate_authorities["root"].differences == ["not registered"]
    error_message = "A CA that is not registered lacks more than a registration."
  }
}

run "the_default_tags_count_among_the_46_tags_of_a_ca" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { for number in range(23) : "tag ${number}" => "value" } } }
    default_tags            = { for number in range(24) : "default ${number}" => "value" }
  }
  expect_failures = [output.certificate_authorities]
}

run "a_ca_can_have_46_tags_with_the_default_tags" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { for number in range(23) : "tag ${number}" => "value" } } }
    default_tags            = { for number in range(24) : number < 23 ? "default ${number}" : "tag 0" => "value" }
  }
}
