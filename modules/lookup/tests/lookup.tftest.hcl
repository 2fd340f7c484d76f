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
        root = "{\"certificate_id\": \"1f1a\", \"revision\": \"register 00000001\", \"request\": \"{\\\"name\\\": \\\"root\\\"}\", \"drift\": [], \"warnings\": []}"
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
    condition = jsondecode(data.external.certificate_authorities.query.certificate_authorities) == {
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
    condition = jsondecode(data.external.certificate_authorities.query.target) == {
      account_id  = "111122223333"
      region      = "eu-west-1"
      credentials = { profile = null, role_arn = null, external_id = null, session_name = null }
    }
    error_message = "The query does not name the provider's account and region."
  }
  assert {
    condition     = join(" ", keys(data.external.certificate_authorities.query)) == "certificate_authorities target"
    error_message = "The query holds something else."
  }
  assert {
    condition     = output.certificate_authorities["root"].certificate_id == "1f1a"
    error_message = "The answer is not decoded."
  }
  assert {
    condition     = output.certificate_authorities["root"].request == "{\"name\": \"root\"}"
    error_message = "The request is not the text that the program wrote."
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
    condition = jsondecode(data.external.certificate_authorities.query.certificate_authorities).root.verification == {
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
      jsondecode(data.external.certificate_authorities.query.certificate_authorities).root.allow_mode_change,
      jsondecode(data.external.certificate_authorities.query.certificate_authorities).root.force_mode_change,
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
    condition = data.external.certificate_authorities.program == tolist([
      "uv", "run", "python", "${path.module}/../../scripts/iot_ca", "inspect"
    ])
    error_message = "The program is not called as it should be."
  }
  assert {
    condition     = jsondecode(data.external.certificate_authorities.query.target).credentials.profile == "deployer"
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
        root = "{\"certificate_id\": \"1f1a\", \"revision\": \"1\", \"drift\": [\"status is INACTIVE, wanted ACTIVE\"], \"warnings\": []}"
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
        root = "{\"certificate_id\": \"1f1a\", \"revision\": \"1\", \"drift\": [], \"warnings\": [\"expired\"]}"
      }
    }
  }
  expect_failures = [check.certificates]
}

run "an_answer_about_other_cas_is_refused" {
  command = plan
  override_data {
    target = data.external.certificate_authorities
    values = { result = { other = "{\"drift\": [], \"warnings\": []}" } }
  }
  expect_failures = [data.external.certificate_authorities]
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
        for name in ["lf", "crlf", "chain", "other"] : name => "{\"drift\": [], \"warnings\": []}"
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
