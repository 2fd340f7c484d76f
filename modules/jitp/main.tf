data "aws_partition" "current" {}

data "aws_caller_identity" "current" {
  count = var.require_source_account ? 1 : 0
}

locals {
  create_role = coalesce(var.create_role, var.role_arn == null)

  # arn:PARTITION:iot:REGION:ACCOUNT
  iot_arn_prefix = join(":", slice(split(":", var.certificate_arn), 0, 5))

  tags = merge(var.tags, {
    "iot-ca:certificate-id"   = var.certificate_id
    "iot-ca:certificate-mode" = var.certificate_mode
  })

  template_body = coalesce(var.template_body, jsonencode({
    # Provisioning fails for a device whose certificate lacks a parameter that is declared here.
    Parameters = {
      "AWS::IoT::Certificate::CommonName" = { Type = "String" }
      "AWS::IoT::Certificate::Id"         = { Type = "String" }
    }
    Resources = {
      thing = {
        Type = "AWS::IoT::Thing"
        Properties = {
          ThingName = { Ref = "AWS::IoT::Certificate::CommonName" }
          # A thing without a type has room for three attributes.
          AttributePayload = {
            ca_certificate_id   = var.certificate_id
            ca_certificate_mode = var.certificate_mode
          }
        }
        # AWS documents no default. A device with a renewed certificate has its thing already: its attributes
        # follow the CA, and what is not this template's stays.
        OverrideSettings = {
          AttributePayload = "MERGE"
          ThingTypeName    = "DO_NOTHING"
          ThingGroups      = "DO_NOTHING"
        }
      }
      certificate = {
        Type = "AWS::IoT::Certificate"
        Properties = {
          CertificateId = { Ref = "AWS::IoT::Certificate::Id" }
          Status        = "ACTIVE"
        }
        OverrideSettings = { Status = "REPLACE" }
      }
      policy = {
        Type       = "AWS::IoT::Policy"
        Properties = { PolicyDocument = module.device_policy.document }
      }
    }
  }))
}

module "device_policy" {
  source = "../_device_policy"

  iot_arn_prefix = local.iot_arn_prefix
  device_policy  = var.device_policy
}

resource "aws_iam_role" "provisioning" {
  count = local.create_role ? 1 : 0

  # A prefix of at most 38 characters: IAM is global, and two regions may use the same names.
  name_prefix = "iot-jitp-${substr(var.template_name, 0, 28)}-"
  # Must not depend on the lookup, so that the role is refreshed in parallel.
  description          = "AWS IoT provisions devices by template ${var.template_name} with it."
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [merge(
      {
        Effect    = "Allow"
        Action    = "sts:AssumeRole"
        Principal = { Service = "iot.amazonaws.com" }
      },
      # AWS IoT developer guide, "Cross-service confused deputy prevention".
      {
        for account_id in data.aws_caller_identity.current[*].account_id :
        "Condition" => { StringEquals = { "aws:SourceAccount" = account_id } }
      },
    )]
  })

  lifecycle {
    # The CA must let go of its template, and the template of its role, before either goes.
    create_before_destroy = true
  }
}

resource "aws_iam_role_policy_attachment" "provisioning" {
  count = local.create_role ? 1 : 0

  role       = aws_iam_role.provisioning[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AWSIoTThingsRegistration"

  lifecycle {
    create_before_destroy = true
    # It never changes, but a plan that defers the lookup does not know the partition, and would
    # detach the policy to attach it again.
    ignore_changes = [policy_arn]
  }
}

resource "aws_iot_provisioning_template" "provisioning" {
  name                  = var.template_name
  description           = "Just-in-time provisioning of devices of CA ${var.certificate_id} (${var.certificate_mode})"
  type                  = "JITP"
  enabled               = true
  provisioning_role_arn = local.create_role ? aws_iam_role.provisioning[0].arn : var.role_arn
  template_body         = local.template_body
  # A template that is in the state keeps the time of its creation, see output is_created.
  tags = merge(local.tags, { "iot-ca:created" = plantimestamp() })

  lifecycle {
    create_before_destroy = true
    ignore_changes        = [tags["iot-ca:created"]]

    # Not a validation, which may look at one variable only before Terraform 1.9.
    precondition {
      condition     = !var.require_source_account || local.create_role
      error_message = "require_source_account is for the role that the module creates. Write the condition on aws:SourceAccount into the trust policy of your own role_arn."
    }
  }
}
