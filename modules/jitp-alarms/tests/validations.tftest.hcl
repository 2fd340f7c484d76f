# What the module refuses to make, one run for each rule; see tests/validations.tftest.hcl.

mock_provider "aws" {}

# alarm_actions must be ARNs.
run "refuses_an_alarm_action_that_is_not_an_arn" {
  command = plan
  variables {
    alarm_actions = ["on-call"]
  }
  expect_failures = [var.alarm_actions]
}
