terraform {
  # moves.tf has `removed` blocks. Without that file, Terraform 1.5 will do.
  required_version = ">= 1.7"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.61"
    }
    external = {
      source  = "hashicorp/external"
      version = ">= 2.3"
    }
  }
}
