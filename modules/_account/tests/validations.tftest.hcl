# What the module refuses: one run for each rule, with the beginning of its message above.

# The state belongs to another account or Region.
run "refuses_another_account_than_a_cas" {
  command = plan
  variables {
    accounts = {
      current  = { account_id = "444455556666", region = "eu-west-1" }
      recorded = { root = { account_id = "111122223333", region = "eu-west-1" } }
    }
  }
  expect_failures = [var.accounts]
}

# The state belongs to another account or Region.
run "refuses_another_region_than_the_modules" {
  command = plan
  variables {
    accounts = {
      current  = { account_id = "111122223333", region = "us-west-2" }
      recorded = { "" = { account_id = "111122223333", region = "eu-west-1" } }
    }
  }
  expect_failures = [var.accounts]
}

run "takes_the_same_account_and_region" {
  command = plan
  variables {
    accounts = {
      current = { account_id = "111122223333", region = "eu-west-1" }
      recorded = {
        ""   = { account_id = "111122223333", region = "eu-west-1" }
        root = { account_id = "111122223333", region = "eu-west-1" }
      }
    }
  }
}

run "takes_a_first_plan" {
  command = plan
  variables {
    accounts = { current = { account_id = "111122223333", region = "eu-west-1" }, recorded = {} }
  }
}
