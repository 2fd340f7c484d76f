# What the module refuses to make, one run for each rule; see tests/validations.tftest.hcl.

mock_provider "aws" {
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  certificate_id   = "1f1a"
  certificate_arn  = "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a"
  certificate_mode = "SNI_ONLY"
}

# template_name must have 1 to 36 letters
run "refuses_a_template_name_of_37_letters" {
  command = plan
  variables {
    template_name = "abcdefghijklmnopqrstuvwxyz-0123456789"
  }
  expect_failures = [var.template_name]
}

# template_name must have 1 to 36 letters
run "refuses_a_template_name_with_a_space" {
  command = plan
  variables {
    template_name = "the devices"
  }
  expect_failures = [var.template_name]
}

run "accepts_a_template_name_of_36_letters" {
  command = plan
  variables {
    template_name = "abcdefghijklmnopqrstuvwxyz_012345678"
  }

  assert {
    condition     = length(var.template_name) == 36
    error_message = "This is about the longest name."
  }
}

# permissions_boundary_arn must be
run "refuses_a_boundary_that_is_a_name" {
  command = plan
  variables {
    template_name            = "devices"
    permissions_boundary_arn = "boundary"
  }
  expect_failures = [var.permissions_boundary_arn]
}

# permissions_boundary_arn must be
run "refuses_a_boundary_that_is_a_role" {
  command = plan
  variables {
    template_name            = "devices"
    permissions_boundary_arn = "arn:aws:iam::111122223333:role/boundary"
  }
  expect_failures = [var.permissions_boundary_arn]
}

# template_body must be JSON with Resources
run "refuses_a_template_without_resources" {
  command = plan
  variables {
    template_name = "devices"
    template_body = "{}"
  }
  expect_failures = [var.template_body]
}

# template_body is longer than
run "refuses_a_template_of_10241_characters" {
  command = plan
  variables {
    template_name = "devices"
    template_body = jsonencode({ Resources = { certificate = { Type = "AWS::IoT::Certificate" }, thing = { Type = "AWS::IoT::Thing", Properties = { ThingName = format("%010200d", 0) } } } })
  }
  expect_failures = [var.template_body]
}

# template_body has no resource of type AWS::IoT::Certificate
run "refuses_a_template_without_a_certificate" {
  command = plan
  variables {
    template_name = "devices"
    template_body = jsonencode({ Resources = { thing = { Type = "AWS::IoT::Thing" } } })
  }
  expect_failures = [var.template_body]
}

# template_body has an AWS::IoT::Policy
run "refuses_a_template_whose_policy_has_a_name_and_a_document" {
  command = plan
  variables {
    template_name = "devices"
    template_body = jsonencode({ Resources = { certificate = { Type = "AWS::IoT::Certificate" }, policy = { Type = "AWS::IoT::Policy", Properties = { PolicyName = "devices", PolicyDocument = { Ref = "Document" } } } } })
  }
  expect_failures = [var.template_body]
}

# template_body has a PolicyDocument
run "refuses_a_template_with_a_policy_document_that_is_a_name" {
  command = plan
  variables {
    template_name = "devices"
    template_body = jsonencode({ Resources = { certificate = { Type = "AWS::IoT::Certificate" }, policy = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = "devices" } } } })
  }
  expect_failures = [var.template_body]
}

# template_body has a PolicyDocument
run "refuses_a_template_with_a_policy_document_that_is_an_object" {
  command = plan
  variables {
    template_name = "devices"
    template_body = jsonencode({ Resources = { certificate = { Type = "AWS::IoT::Certificate" }, policy = { Type = "AWS::IoT::Policy", Properties = { PolicyDocument = { Statement = { Effect = "Allow", Action = "iot:Connect", Resource = "*" } } } } } })
  }
  expect_failures = [var.template_body]
}

# device_policy must be a policy document in JSON
run "refuses_a_device_policy_with_an_unknown_effect" {
  command = plan
  variables {
    template_name = "devices"
    device_policy = "{\"Statement\": [{\"Effect\": \"Permit\", \"Action\": \"iot:Connect\", \"Resource\": \"*\"}]}"
  }
  expect_failures = [var.device_policy]
}

# device_policy must be a policy document in JSON
run "refuses_a_device_policy_without_statements" {
  command = plan
  variables {
    template_name = "devices"
    device_policy = "{\"Statement\": []}"
  }
  expect_failures = [var.device_policy]
}

# device_policy is longer than
run "refuses_a_device_policy_of_2049_characters" {
  command = plan
  variables {
    template_name = "devices"
    device_policy = "{\"Statement\": {\"Effect\": \"Allow\", \"Action\": \"iot:Connect\", \"Resource\": \"${format("%01980d", 0)}\"}}"
  }
  expect_failures = [var.device_policy]
}

# AWS IoT allows 127 characters
run "refuses_a_tag_key_of_128_characters" {
  command = plan
  variables {
    template_name = "devices"
    tags          = { (join("", [for _ in range(128) : "k"])) = "" }
  }
  expect_failures = [var.tags]
}

# AWS IoT allows 127 characters
run "refuses_a_tag_value_of_256_characters" {
  command = plan
  variables {
    template_name = "devices"
    tags          = { key = join("", [for _ in range(256) : "v"]) }
  }
  expect_failures = [var.tags]
}
