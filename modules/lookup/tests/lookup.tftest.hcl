# What the program is asked and what is made of its answer. The program itself is mocked.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_region" {
    defaults = { id = "eu-west-1" }
  }
}

mock_provider "external" {
  mock_data "external" {
    defaults = {
      result = {
        root = "{\"certificate_id\": \"1f1a\", \"revision\": \"register 00000001\", \"drift\": [], \"warnings\": []}"
      }
    }
  }
}

variables {
  certificate_authorities = { root = { certificate_pem = "PEM" } }
}

run "one_process_is_asked_about_every_ca" {
  command = plan

  assert {
    condition = jsondecode(data.external.certificate_authorities.query.certificate_authorities) == {
      root = {
        certificate_pem   = "PEM"
        certificate_mode  = "SNI_ONLY"
        status            = "ACTIVE"
        auto_registration = true
        template_name     = null
        verification      = null
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
    condition     = keys(data.external.certificate_authorities.query) == ["certificate_authorities", "target"]
    error_message = "The query holds something else."
  }
}

run "the_program_runs_with_the_given_python" {
  command = plan
  variables {
    python_command = ["uv", "run", "python"]
  }

  assert {
    condition = data.external.certificate_authorities.program == tolist([
      "uv", "run", "python", "${path.module}/../../scripts/iot_ca.py", "inspect"
    ])
    error_message = "The program is not called as it should be."
  }
}

run "credentials_are_handed_to_the_program" {
  command = plan
  variables {
    credentials = { profile = "deployer" }
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

run "the_answer_comes_out_decoded" {
  command = plan

  assert {
    condition     = output.certificate_authorities["root"].certificate_id == "1f1a"
    error_message = "The answer is not decoded."
  }
  assert {
    condition     = output.target.account_id == "111122223333" && output.target.region == "eu-west-1"
    error_message = "The target is not the provider's account and region."
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

# A CA can carry at most 47 tags
run "refuses_48_tags" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", tags = { for number in range(48) : "tag ${number}" => "value" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

run "accepts_47_tags_of_the_greatest_length" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        tags = {
          for number in range(47) :
          format("%03d%s", number, join("", [for _ in range(125) : "é"])) => join("", [for _ in range(256) : "ß"])
        }
      }
    }
  }

  assert {
    condition     = length(var.certificate_authorities["root"].tags) == 47
    error_message = "A tag was lost."
  }
}

# Tags of a CA take letters, digits
run "refuses_a_tag_key_with_a_character_of_its_own" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "key#" = "" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tags of a CA take letters, digits
run "refuses_a_tag_key_of_129_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", tags = { (join("", [for _ in range(129) : "k"])) = "" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Tags of a CA take letters, digits
run "refuses_a_tag_value_of_257_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", tags = { key = join("", [for _ in range(257) : "v"]) } }
    }
  }
  expect_failures = [var.certificate_authorities]
}
