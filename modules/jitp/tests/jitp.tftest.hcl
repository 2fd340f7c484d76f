# The template and its role, planned with a mocked AWS.

mock_provider "aws" {
  mock_data "aws_caller_identity" {
    defaults = { account_id = "111122223333" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/made" }
  }
}

variables {
  template_name    = "devices"
  certificate_id   = "1f1a"
  certificate_arn  = "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a"
  certificate_mode = "SNI_ONLY"
}

run "a_template_and_a_role_are_made_for_the_ca" {
  command = plan
  variables {
    tags = { team = "fleet" }
  }

  assert {
    condition     = aws_iot_provisioning_template.provisioning.name == "devices"
    error_message = "The template has another name."
  }
  assert {
    condition     = aws_iot_provisioning_template.provisioning.type == "JITP"
    error_message = "Only a template of type JITP can be attached to a CA."
  }
  assert {
    condition     = aws_iot_provisioning_template.provisioning.enabled
    error_message = "The template is not enabled."
  }
  assert {
    condition     = strcontains(aws_iot_provisioning_template.provisioning.description, "1f1a")
    error_message = "The description lacks the CA's ID."
  }
  assert {
    condition     = strcontains(aws_iot_provisioning_template.provisioning.description, "SNI_ONLY")
    error_message = "The description lacks the CA's mode."
  }
  assert {
    condition = aws_iot_provisioning_template.provisioning.tags == tomap({
      team                      = "fleet"
      "iot-ca:certificate-id"   = "1f1a"
      "iot-ca:certificate-mode" = "SNI_ONLY"
      "iot-ca:created"          = plantimestamp()
    })
    error_message = "The template's tags are not the given ones, the CA's ID and mode, and the time."
  }
  assert {
    condition     = output.is_created
    error_message = "A template that the state does not have is not said to be created."
  }
  assert {
    condition = jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.thing == {
      Type = "AWS::IoT::Thing"
      Properties = {
        ThingName        = { Ref = "AWS::IoT::Certificate::CommonName" }
        AttributePayload = { ca_certificate_id = "1f1a", ca_certificate_mode = "SNI_ONLY" }
      }
      OverrideSettings = { AttributePayload = "MERGE", ThingTypeName = "DO_NOTHING", ThingGroups = "DO_NOTHING" }
    }
    error_message = "The thing is not named by the device, lacks the CA's ID and mode, or would refuse a renewed certificate."
  }
  assert {
    condition = jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.certificate == {
      Type             = "AWS::IoT::Certificate"
      Properties       = { CertificateId = { Ref = "AWS::IoT::Certificate::Id" }, Status = "ACTIVE" }
      OverrideSettings = { Status = "REPLACE" }
    }
    error_message = "A template must have a certificate resource, and the device's must become active."
  }
  assert {
    condition = keys(jsondecode(aws_iot_provisioning_template.provisioning.template_body).Parameters) == [
      "AWS::IoT::Certificate::CommonName", "AWS::IoT::Certificate::Id",
    ]
    error_message = "What is declared and not in a device's certificate makes provisioning fail."
  }
  assert {
    condition     = can(jsondecode(jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.policy.Properties.PolicyDocument))
    error_message = "The policy document must be JSON inside a string."
  }
  assert {
    condition = sort(distinct(flatten([
      for statement in jsondecode(jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.policy.Properties.PolicyDocument).Statement :
      statement.Action
    ]))) == tolist(["iot:Connect", "iot:Publish", "iot:Receive", "iot:RetainPublish", "iot:Subscribe"])
    error_message = "A device may do something else than connect, publish, receive and subscribe."
  }
  assert {
    condition = alltrue([
      for resource in flatten([
        for statement in jsondecode(jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.policy.Properties.PolicyDocument).Statement :
        statement.Resource
      ]) :
      can(regex("^arn:aws:iot:eu-west-1:111122223333:(client/|topic/|topicfilter/|topic/\\$aws/things/|topicfilter/\\$aws/things/)\\$\\{iot:Connection\\.Thing\\.ThingName\\}(/\\*)?$", resource))
    ])
    error_message = "The policy reaches beyond the device's own client ID, topics and shadow in this account and region."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.policy.Properties.PolicyDocument).Statement :
      statement.Effect == "Allow"
    ])
    error_message = "A statement does not allow."
  }
  assert {
    condition     = length(aws_iam_role.provisioning) == 1
    error_message = "Without a role_arn a role is made."
  }
  assert {
    condition = jsondecode(aws_iam_role.provisioning[0].assume_role_policy).Statement == [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "iot.amazonaws.com" } }
    ]
    error_message = "Somebody else than AWS IoT may assume the role."
  }
  assert {
    condition     = aws_iam_role_policy_attachment.provisioning[0].policy_arn == "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"
    error_message = "The role lacks AWS's policy for provisioning."
  }
  assert {
    condition     = aws_iam_role.provisioning[0].tags == tomap({ team = "fleet" })
    error_message = "The role's tags are not the given ones and nothing else."
  }
  assert {
    condition     = !strcontains(aws_iam_role.provisioning[0].description, "1f1a")
    error_message = "A role that tells the CA's ID is unknown in every plan that defers the lookup."
  }
  assert {
    condition     = strcontains(aws_iam_role.provisioning[0].description, "devices")
    error_message = "The role does not say what it is for."
  }
}

run "the_role_can_be_for_this_account_only" {
  command = plan
  variables {
    require_source_account = true
  }

  assert {
    condition = jsondecode(aws_iam_role.provisioning[0].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
      Condition = { StringEquals = { "aws:SourceAccount" = "111122223333" } }
    }]
    error_message = "AWS IoT may assume the role for another account."
  }
}

run "a_role_of_the_users_own_gets_no_condition" {
  command = plan
  variables {
    require_source_account = true
    role_arn               = "arn:aws:iam::111122223333:role/provisioning"
  }

  expect_failures = [aws_iot_provisioning_template.provisioning]
}

run "a_device_policy_takes_the_place_of_the_default" {
  command = plan
  variables {
    device_policy = "{\"Statement\": {\"Effect\": \"Deny\", \"Action\": \"iot:*\", \"Resource\": \"mine\"}}"
  }

  assert {
    condition     = jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.policy.Properties.PolicyDocument == "{\"Statement\": {\"Effect\": \"Deny\", \"Action\": \"iot:*\", \"Resource\": \"mine\"}}"
    error_message = "device_policy is not in the template."
  }
}

run "a_template_body_takes_the_place_of_the_default" {
  command = plan
  variables {
    template_body = "{\"Resources\": {\"mine\": {\"Type\": \"AWS::IoT::Certificate\"}}}"
  }

  assert {
    condition     = aws_iot_provisioning_template.provisioning.template_body == "{\"Resources\": {\"mine\": {\"Type\": \"AWS::IoT::Certificate\"}}}"
    error_message = "template_body is not the template's."
  }
}

run "a_given_role_is_used_and_none_is_made" {
  command = plan
  variables {
    role_arn = "arn:aws:iam::111122223333:role/given"
  }

  assert {
    condition     = length(aws_iam_role.provisioning) + length(aws_iam_role_policy_attachment.provisioning) == 0
    error_message = "A role is made although one is given."
  }
  assert {
    condition     = aws_iot_provisioning_template.provisioning.provisioning_role_arn == "arn:aws:iam::111122223333:role/given"
    error_message = "The given role is not used."
  }
}

run "the_role_can_be_bounded" {
  command = plan
  variables {
    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition     = aws_iam_role.provisioning[0].permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    error_message = "The role is not bounded."
  }
}

run "a_role_that_is_not_known_yet_can_be_announced" {
  command = plan
  variables {
    role_arn    = "arn:aws:iam::111122223333:role/given"
    create_role = false
  }

  assert {
    condition     = length(aws_iam_role.provisioning) == 0
    error_message = "A role is made although create_role says no."
  }
}

run "other_partitions_other_modes_and_the_longest_name" {
  command = plan
  variables {
    template_name    = "abcdefghijklmnopqrstuvwxyz_012345678"
    certificate_mode = "DEFAULT"
    certificate_arn  = "arn:aws-cn:iot:cn-north-1:111122223333:cacert/1f1a"
  }
  override_data {
    target = data.aws_partition.current
    values = { partition = "aws-cn" }
  }

  assert {
    condition     = aws_iam_role_policy_attachment.provisioning[0].policy_arn == "arn:aws-cn:iam::aws:policy/service-role/AWSIoTThingsRegistration"
    error_message = "The managed policy is one of another partition."
  }
  assert {
    condition     = strcontains(jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.policy.Properties.PolicyDocument, "arn:aws-cn:iot:cn-north-1:111122223333:client/")
    error_message = "The policy is about another partition, region or account."
  }
  assert {
    # IAM takes 38 characters: 64 less the 26 that make it unique.
    condition     = length(aws_iam_role.provisioning[0].name_prefix) <= 38
    error_message = "IAM refuses a prefix of more than 38 characters."
  }
  assert {
    condition     = aws_iot_provisioning_template.provisioning.name == "abcdefghijklmnopqrstuvwxyz_012345678"
    error_message = "36 characters are allowed in a template's name."
  }
  assert {
    condition     = jsondecode(aws_iot_provisioning_template.provisioning.template_body).Resources.thing.Properties.AttributePayload.ca_certificate_mode == "DEFAULT"
    error_message = "The thing has another mode than its CA."
  }
}

run "the_template_uses_the_role_that_was_made" {
  assert {
    condition     = aws_iot_provisioning_template.provisioning.provisioning_role_arn == "arn:aws:iam::111122223333:role/made"
    error_message = "The template has another role than the one made for it."
  }
  assert {
    condition     = output.role_arn == "arn:aws:iam::111122223333:role/made"
    error_message = "The role does not come out."
  }
  assert {
    condition     = output.template_name == "devices"
    error_message = "The template's name does not come out."
  }
  assert {
    condition     = output.template_arn == aws_iot_provisioning_template.provisioning.arn
    error_message = "The template's ARN does not come out."
  }
}
