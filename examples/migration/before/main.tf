# Where the move begins: CAs under aws_iot_ca_certificate, and one under the AWS CLI.

terraform {
  required_version = ">= 1.7"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.61"
    }
  }
}

variable "region" {
  description = "The region to register the CAs in."
  type        = string
  default     = "eu-west-1"
}

provider "aws" {
  region = var.region
}

resource "aws_iot_ca_certificate" "factory" {
  ca_certificate_pem      = file("${path.module}/../factory-ca.pem")
  certificate_mode        = "SNI_ONLY"
  active                  = true
  allow_auto_registration = true
  tags                    = { team = "devices" }

  registration_config {
    template_name = aws_iot_provisioning_template.fleet.name
  }
}

resource "aws_iot_ca_certificate" "legacy" {
  ca_certificate_pem           = file("${path.module}/../legacy-ca.pem")
  verification_certificate_pem = file("${path.module}/../verification.pem")
  active                       = true
  allow_auto_registration      = false
}

# The same with a null_resource: its `triggers` are what `triggers_replace` and `input` are here.
resource "terraform_data" "workshop" {
  triggers_replace = filesha256("${path.module}/../workshop-ca.pem")
  input            = "${path.module}/../workshop-ca.pem"

  provisioner "local-exec" {
    command = <<-EOT
      aws iot register-ca-certificate --ca-certificate file://${self.input} \
        --certificate-mode SNI_ONLY --set-as-active --allow-auto-registration
    EOT
  }

  provisioner "local-exec" {
    when    = destroy
    command = <<-EOT
      id=$(openssl x509 -in ${self.input} -outform der | openssl dgst -sha256 -r | cut -c 1-64)
      aws iot update-ca-certificate --certificate-id "$id" --new-status INACTIVE
      aws iot delete-ca-certificate --certificate-id "$id"
    EOT
  }
}

resource "aws_iot_provisioning_template" "fleet" {
  name                  = "fleet"
  type                  = "JITP"
  enabled               = true
  provisioning_role_arn = aws_iam_role.provisioning.arn
  template_body         = file("${path.module}/../template.json")
}

resource "aws_iam_role" "provisioning" {
  name = "fleet-provisioning"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy_attachment" "provisioning" {
  role       = aws_iam_role.provisioning.name
  policy_arn = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
}
