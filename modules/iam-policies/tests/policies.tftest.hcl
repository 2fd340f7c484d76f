# What the documents are. That they are enough, and not too much: tests/permissions.

variables {
  account_id      = "111122223333"
  regions         = ["eu-west-1", "us-east-1"]
  certificate_ids = ["1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a"]
}

run "the_least_that_there_is" {
  command = plan

  assert {
    condition = jsondecode(output.plan_json) == {
      Version = "2012-10-17"
      Statement = [{
        Sid    = "Certificates"
        Effect = "Allow"
        Action = ["iot:DescribeCACertificate", "iot:ListTagsForResource"]
        Resource = [
          "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a",
          "arn:aws:iot:us-east-1:111122223333:cacert/1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a",
        ]
      }]
    }
    error_message = "A plan may do something else than look at the CA in the two regions."
  }
  assert {
    condition     = [for statement in jsondecode(output.apply_json).Statement : statement.Sid] == ["Certificates", "Registration", "ModeChange"]
    error_message = "An apply may do something that nobody has asked for."
  }
  assert {
    condition = alltrue([
      for statement in jsondecode(output.apply_json).Statement :
      try(statement.Condition.StringEquals["aws:RequestedRegion"], null) == ["eu-west-1", "us-east-1"] if statement.Resource == ["*"]
    ])
    error_message = "What IAM limits to no resource is not limited to the regions."
  }
  assert {
    condition = alltrue([
      for document in [output.plan_json, output.apply_json] : alltrue([
        for statement in jsondecode(document).Statement : statement.Effect == "Allow" && !anytrue([
          for action in statement.Action : strcontains(action, "*")
        ])
      ])
    ])
    error_message = "An action is a pattern."
  }
}

run "settings_take_actions_away" {
  command = plan
  variables {
    deletion     = false
    device_check = false
  }

  assert {
    condition     = !strcontains(output.apply_json, "Delete") && !strcontains(output.apply_json, "ListCertificatesByCA")
    error_message = "A CA may be deleted, or its devices be listed, although neither is wanted."
  }
}

run "a_change_of_mode_deletes_in_any_case" {
  command = plan
  variables {
    deletion    = false
    mode_change = true
  }

  assert {
    condition     = strcontains(output.apply_json, "iot:DeleteCACertificate") && strcontains(output.apply_json, "iot:CreateThingGroup")
    error_message = "A change of mode deletes the CA, and remembers it in a thing group."
  }
}

run "a_secret_is_read_by_an_apply_alone" {
  command = plan
  variables {
    default_mode        = true
    secret_arns         = ["arn:aws:secretsmanager:eu-west-1:111122223333:secret:root-ca"]
    secret_kms_key_arns = ["arn:aws:kms:eu-west-1:111122223333:key/1f1a"]
  }

  assert {
    condition     = !strcontains(output.plan_json, "secretsmanager:") && !strcontains(output.plan_json, "kms:")
    error_message = "A plan may read the CA's key."
  }
  assert {
    condition     = strcontains(output.apply_json, "secretsmanager:GetSecretValue") && strcontains(output.apply_json, "kms:Decrypt")
    error_message = "An apply may not read the CA's key."
  }
}

run "roles_of_templates_are_for_aws_iot_and_have_the_one_policy" {
  command = plan
  variables {
    partition           = "aws-cn"
    regions             = ["cn-north-1"]
    jitp_template_names = ["abcdefghijklmnopqrstuvwxyz_012345678"]
  }

  assert {
    condition = [
      for statement in jsondecode(output.apply_json).Statement : statement if startswith(statement.Sid, "TemplateRoles")
      ][1] == {
      Sid       = "TemplateRolesForIot"
      Effect    = "Allow"
      Action    = ["iam:PassRole"]
      Resource  = ["arn:aws-cn:iam::111122223333:role/iot-jitp-abcdefghijklmnopqrstuvwxyz_0-*"]
      Condition = { StringEquals = { "iam:PassedToService" = ["iot.amazonaws.com"] } }
    }
    error_message = "The role may be handed to another service, or has another name than modules/jitp gives it."
  }
  assert {
    condition = [
      for statement in jsondecode(output.apply_json).Statement : statement.Condition if contains(statement.Action, "iam:AttachRolePolicy")
    ] == [{ ArnEquals = { "iam:PolicyARN" = ["arn:aws-cn:iam::aws:policy/service-role/AWSIoTThingsRegistration"] } }]
    error_message = "Any policy may be attached to a role that AWS IoT assumes."
  }
}

run "a_given_role_is_handed_over_and_none_is_made" {
  command = plan
  variables {
    jitp_template_names = ["fleet"]
    jitp_create_roles   = false
    jitp_role_arns      = ["arn:aws:iam::111122223333:role/given"]
  }

  assert {
    condition     = !strcontains(output.apply_json, "iam:CreateRole") && !strcontains(output.plan_json, "iam:")
    error_message = "Roles may be made although one is given."
  }
  assert {
    condition = [
      for statement in jsondecode(output.apply_json).Statement : statement.Resource if contains(statement.Action, "iam:PassRole")
    ] == [["arn:aws:iam::111122223333:role/given"]]
    error_message = "Another role than the given one may be handed over."
  }
  assert {
    condition = [
      for statement in jsondecode(output.apply_json).Statement : statement.Resource if contains(statement.Action, "iam:GetRole")
    ] == [["arn:aws:iam::111122223333:role/given"]]
    error_message = "The given role, which AWS IoT is handed, may not be read."
  }
}

run "alarms_of_jitp_go_by_their_names" {
  command = plan
  variables {
    regions     = ["eu-west-1"]
    jitp_alarms = true
  }

  assert {
    condition = {
      for statement in jsondecode(output.apply_json).Statement : statement.Sid => statement.Resource if strcontains(statement.Sid, "Alarms")
      } == {
      JitpAlarms = [
        "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:iot-jitp-client-errors",
        "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:iot-jitp-server-errors",
      ]
      AlarmsList = ["arn:aws:cloudwatch:eu-west-1:111122223333:alarm:*"]
    }
    error_message = "Other alarms than those of modules/jitp-alarms may be changed."
  }
}

run "what_jitr_makes_goes_by_its_name" {
  command = plan
  variables {
    jitr_names = ["root-1"]
  }

  assert {
    condition = alltrue([
      for resource in flatten([
        for statement in jsondecode(output.apply_json).Statement : statement.Resource
        if startswith(statement.Sid, "Jitr") && !contains(["JitrDevices", "JitrLogsList", "JitrReads"], statement.Sid)
      ]) : can(regex("iot[-_]jitr[-_](rule-)?root[-_]1", resource))
    ])
    error_message = "Something of another name may be changed."
  }
  assert {
    condition = toset([
      for statement in jsondecode(output.apply_json).Statement : split(":", statement.Action[0])[0] if startswith(statement.Sid, "Jitr")
    ]) == toset(["iot", "sqs", "cloudwatch", "logs", "lambda", "iam"])
    error_message = "A service that modules/jitr uses is left out."
  }
}

run "each_role_of_jitr_is_for_its_own_service" {
  command = plan
  variables {
    jitr_names = ["abcdefghijklmnopqrstuvwxyz_012345678"]
  }

  assert {
    condition = {
      for statement in jsondecode(output.apply_json).Statement :
      statement.Condition.StringEquals["iam:PassedToService"][0] => statement.Resource if contains(statement.Action, "iam:PassRole")
      } == {
      "iot.amazonaws.com"    = ["arn:aws:iam::111122223333:role/iot-jitr-rule-abcdefghijklmnopqrstuvw-*"]
      "lambda.amazonaws.com" = ["arn:aws:iam::111122223333:role/iot-jitr-abcdefghijklmnopqrstuvwxyz_0-*"]
    }
    error_message = "A role may be handed to the other's service, or has another name than modules/jitr gives it."
  }
}

# The modules cut a name in the name of a role: nothing that stands behind a "*" need be there.
run "roles_of_a_pattern_go_by_what_is_before_its_first_star" {
  command = plan
  variables {
    jitp_template_names = ["*-production", "*-test", "fleet-*-production", "abcdefghijklmnopqrstuvwxyz_0123*"]
    jitr_names          = ["*-production", "fleet-*-production", "abcdefghijklmnopqrstuvwxyz*"]
  }

  assert {
    condition = {
      for statement in jsondecode(output.apply_json).Statement :
      statement.Sid => [for arn in statement.Resource : trimprefix(arn, "arn:aws:iam::111122223333:role/")]
      if contains(statement.Action, "iam:CreateRole")
      } == {
      TemplateRoles = ["iot-jitp-*", "iot-jitp-abcdefghijklmnopqrstuvwxyz_0-*", "iot-jitp-fleet-*"]
      JitrRoles = [
        "iot-jitr-*", "iot-jitr-abcdefghijklmnopqrstuvwxyz*", "iot-jitr-fleet-*",
        "iot-jitr-rule-*", "iot-jitr-rule-abcdefghijklmnopqrstuvw-*", "iot-jitr-rule-fleet-*",
      ]
    }
    error_message = "A long name that the pattern stands for would have no role, or a role of another pattern may be made."
  }
}
