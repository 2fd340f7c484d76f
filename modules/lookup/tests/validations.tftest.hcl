# What the module refuses to look up, one run for each rule; see tests/validations.tftest.hcl.

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
    defaults = { result = { root = "{\"certificate_arn\": \"arn:aws:iot:eu-west-1:111122223333:cacert/1f1a\", \"revision\": \"1\", \"request\": \"{}\", \"differences\": [], \"drift\": [], \"is_reconciled\": true, \"default_tags\": {}, \"default_tags_digest\": \"\", \"warnings\": []}" } }
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

# A CA can carry at most 46 tags
run "refuses_47_tags" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", tags = { for number in range(47) : "tag ${number}" => "value" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

run "accepts_46_tags_of_the_greatest_length" {
  command = plan
  variables {
    certificate_authorities = {
      root = {
        certificate_pem = "PEM"
        tags = {
          for number in range(46) :
          format("%03d%s", number, join("", [for _ in range(124) : "é"])) => join("", [for _ in range(255) : "ß"])
        }
      }
    }
  }

  assert {
    condition     = length(var.certificate_authorities["root"].tags) == 46
    error_message = "A tag was lost."
  }
}

# Tag keys must not begin with
run "refuses_a_tag_of_the_module_itself" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "iot-ca:owner" = "me" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tag keys must not begin with
run "refuses_a_tag_of_aws" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "AWS:owner" = "me" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tags of a CA take letters, digits
run "refuses_a_tag_that_is_null" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { stage = null } } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tags of a CA take letters, digits
run "refuses_a_tag_key_with_a_character_of_its_own" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "key#" = "" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# AWS IoT allows 127 characters
run "refuses_a_tag_key_of_128_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", tags = { (join("", [for _ in range(128) : "k"])) = "" } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# AWS IoT allows 127 characters
run "refuses_a_tag_value_of_256_characters" {
  command = plan
  variables {
    certificate_authorities = {
      root = { certificate_pem = "PEM", tags = { key = join("", [for _ in range(256) : "v"]) } }
    }
  }
  expect_failures = [var.certificate_authorities]
}

# Tags of a CA take letters, digits
run "refuses_a_tag_without_a_key" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM", tags = { "" = "value" } } }
  }
  expect_failures = [var.certificate_authorities]
}

# certificate_pem is required
run "refuses_a_certificate_that_is_null" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = null } }
  }
  expect_failures = [var.certificate_authorities]
}

# Tag keys must not begin with
run "refuses_a_default_tag_of_the_module_itself" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM" } }
    default_tags            = { "iot-ca:owner" = "me" }
  }
  expect_failures = [var.default_tags]
}

# Tags of a CA, the provider's default_tags among them
run "refuses_a_default_tag_with_another_character" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM" } }
    default_tags            = { "key#" = "" }
  }
  expect_failures = [var.default_tags]
}

# AWS IoT allows 127 characters in the key of a tag
run "refuses_a_default_tag_of_256_characters" {
  command = plan
  variables {
    certificate_authorities = { root = { certificate_pem = "PEM" } }
    default_tags            = { key = join("", [for _ in range(256) : "v"]) }
  }
  expect_failures = [var.default_tags]
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
