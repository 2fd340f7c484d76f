terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Before 5.61 aws_iot_provisioning_template could silently ignore its type.
      version = ">= 5.61"
    }
    archive = {
      source = "hashicorp/archive"
      # What is used of it, a zip of texts, is as old as this.
      version = ">= 2.2"
    }
  }
}
