# What the module refuses to register, one run for each rule; see tests/validations.tftest.hcl.

variables {
  target = { account_id = "111122223333", region = "eu-west-1" }
}

# on_destroy must be "delete", "deactivate" or "retain".
run "refuses_an_unknown_on_destroy" {
  command = plan
  variables {
    certificate_authorities = {
      devices = { request = "{}", certificate_id = "1f1a", certificate_digest = "digest", revision = "1", on_destroy = "keep" }
    }
  }
  expect_failures = [var.certificate_authorities]
}
