# One for each account and region: Terraform can't make providers in a loop.

provider "aws" {
  alias               = "production_eu"
  region              = "eu-west-1"
  allowed_account_ids = [local.account_ids.production]

  assume_role {
    role_arn = var.roles.production
  }
}

provider "aws" {
  alias               = "production_us"
  region              = "us-east-1"
  allowed_account_ids = [local.account_ids.production]

  assume_role {
    role_arn = var.roles.production
  }
}

provider "aws" {
  alias               = "staging"
  region              = "eu-west-1"
  allowed_account_ids = [local.account_ids.staging]

  assume_role {
    role_arn = var.roles.staging
  }
}

provider "aws" {
  alias               = "development"
  region              = "us-east-1"
  allowed_account_ids = [local.account_ids.development]

  assume_role {
    role_arn = var.roles.development
  }
}
