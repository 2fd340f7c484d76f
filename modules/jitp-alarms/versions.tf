terraform {
  required_version = ">= 1.5"

  required_providers {
    aws = {
      source = "hashicorp/aws"
      # Before 5.61 aws_iot_provisioning_template could silently ignore its type.
      version = ">= 5.61"
    }
  }
}
