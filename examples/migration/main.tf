provider "aws" {
  region = var.region
}

module "iot_ca" {
  # From the registry: source = "<namespace>/iot-ca/aws" and a version.
  source = "../.."

  certificate_authorities = {
    # Was aws_iot_ca_certificate.factory. Every setting as it was, so that only the owner changes.
    factory = {
      certificate_pem   = file("${var.certificates_folder}/factory-ca.pem")
      certificate_mode  = "SNI_ONLY"
      status            = "ACTIVE" # active = true
      auto_registration = true     # allow_auto_registration = true
      on_destroy        = var.on_destroy
      tags              = { team = "devices" }

      # registration_config { template_name = "fleet" }: the very same template, see moves.tf.
      provisioning = {
        type          = "JITP"
        template_name = "fleet"
        template_body = file("${path.module}/template.json")
        role_arn      = aws_iam_role.provisioning.arn
        create_role   = false
      }
    }

    # Was aws_iot_ca_certificate.legacy. The mode is DEFAULT where that resource says nothing. No
    # verification: the CA is registered already.
    legacy = {
      certificate_pem   = file("${var.certificates_folder}/legacy-ca.pem")
      certificate_mode  = "DEFAULT"
      auto_registration = false
      on_destroy        = var.on_destroy
    }

    # Was terraform_data.workshop, which ran the AWS CLI.
    workshop = {
      certificate_pem   = file("${var.certificates_folder}/workshop-ca.pem")
      auto_registration = true # --allow-auto-registration
      on_destroy        = var.on_destroy
    }
  }
}

# The role stays where it was, under the name that it has.
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
