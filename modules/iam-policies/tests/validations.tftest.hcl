# What the module refuses, one run for each rule; see tests/validations.tftest.hcl.

variables {
  account_id      = "111122223333"
  regions         = ["eu-west-1"]
  certificate_ids = ["1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a"]
}

# account_id must have twelve digits.
run "refuses_an_account_alias" {
  command = plan
  variables {
    account_id = "my-account"
  }
  expect_failures = [var.account_id]
}

# partition must be one of AWS
run "refuses_an_arn_for_a_partition" {
  command = plan
  variables {
    partition = "arn:aws"
  }
  expect_failures = [var.partition]
}

# regions must name one at least.
run "refuses_no_region" {
  command = plan
  variables {
    regions = []
  }
  expect_failures = [var.regions]
}

# A region is written like
run "refuses_every_region" {
  command = plan
  variables {
    regions = ["*"]
  }
  expect_failures = [var.regions]
}

# certificate_ids must name one at least.
run "refuses_no_certificate" {
  command = plan
  variables {
    certificate_ids = []
  }
  expect_failures = [var.certificate_ids]
}

# A certificate ID has 64 lowercase hexadecimal digits
run "refuses_every_certificate" {
  command = plan
  variables {
    certificate_ids = ["*"]
  }
  expect_failures = [var.certificate_ids]
}

# A certificate ID has 64 lowercase hexadecimal digits
run "refuses_a_fingerprint_in_capitals" {
  command = plan
  variables {
    certificate_ids = ["1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A1F1A"]
  }
  expect_failures = [var.certificate_ids]
}

# kms_key_arns must be ARNs of keys
run "refuses_an_alias" {
  command = plan
  variables {
    kms_key_arns = ["arn:aws:kms:eu-west-1:111122223333:alias/root-ca"]
  }
  expect_failures = [var.kms_key_arns]
}

# secret_arns must be ARNs of secrets
run "refuses_the_name_of_a_secret" {
  command = plan
  variables {
    secret_arns = ["root-ca"]
  }
  expect_failures = [var.secret_arns]
}

# secret_kms_key_arns must be ARNs of keys
run "refuses_an_alias_of_a_secrets_key" {
  command = plan
  variables {
    secret_kms_key_arns = ["arn:aws:kms:eu-west-1:111122223333:alias/secrets"]
  }
  expect_failures = [var.secret_kms_key_arns]
}

# acm_pca_arns must be ARNs of private CAs
run "refuses_a_certificate_of_a_private_ca" {
  command = plan
  variables {
    acm_pca_arns = ["arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/1/certificate/2"]
  }
  expect_failures = [var.acm_pca_arns]
}

# A template's name has 1 to 36 letters
run "refuses_the_arn_of_a_template" {
  command = plan
  variables {
    jitp_template_names = ["arn:aws:iot:eu-west-1:111122223333:provisioningtemplate/fleet"]
  }
  expect_failures = [var.jitp_template_names]
}

# jitp_role_arns must be ARNs of roles
run "refuses_the_name_of_a_role" {
  command = plan
  variables {
    jitp_role_arns = ["provisioning"]
  }
  expect_failures = [var.jitp_role_arns]
}

# A name has 1 to 36 letters
run "refuses_a_name_for_jitr_with_a_space" {
  command = plan
  variables {
    jitr_names = ["root 1"]
  }
  expect_failures = [var.jitr_names]
}

# assume_role_arns must be ARNs of roles
run "refuses_a_user_to_be_assumed" {
  command = plan
  variables {
    assume_role_arns = ["arn:aws:iam::111122223333:user/deploy"]
  }
  expect_failures = [var.assume_role_arns]
}

run "accepts_other_partitions_and_their_regions" {
  command = plan
  variables {
    partition = "aws-us-gov"
    regions   = ["us-gov-west-1"]
  }

  assert {
    condition     = var.partition == "aws-us-gov"
    error_message = "This is about another partition."
  }
}

# jitr_kms_key_arns must be ARNs of keys
run "refuses_the_alias_of_a_key_of_jitr" {
  command = plan
  variables {
    jitr_kms_key_arns = ["arn:aws:kms:eu-west-1:111122223333:alias/jitr"]
  }
  expect_failures = [var.jitr_kms_key_arns]
}
