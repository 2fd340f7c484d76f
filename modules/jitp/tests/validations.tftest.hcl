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
