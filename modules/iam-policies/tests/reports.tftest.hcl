# The policy for `status` and `diagnose`. That it is enough, and not too much: tests/permissions.

variables {
  account_id      = "111122223333"
  regions         = ["eu-west-1", "us-east-1"]
  certificate_ids = ["1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a1f1a"]
}

run "reports_read_only_and_in_the_regions_only" {
  command = plan
  variables {
    jitp_template_names = ["devices"]
    jitr_names          = ["proven"]
    assume_role_arns    = ["arn:aws:iam::111122223333:role/reader"]
  }

  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(output.report_json).Statement : [
        for action in statement.Action :
        can(regex("^[a-z-]+:(Get|List|Describe|Filter|Test|Receive)[A-Za-z0-9]+$|^sts:AssumeRole$", action))
      ]
    ]))
    error_message = "An action of the reports may write."
  }
  assert {
    condition = alltrue(flatten([
      for statement in jsondecode(output.report_json).Statement : [
        for resource in statement.Resource :
        resource == "*" ? statement.Condition.StringEquals["aws:RequestedRegion"] == ["eu-west-1", "us-east-1"] : can(regex("^arn:aws:", resource))
      ]
    ]))
    error_message = "What IAM limits to no resource is not limited to the regions."
  }
  assert {
    condition     = contains(one([for statement in jsondecode(output.report_json).Statement : statement.Resource if statement.Sid == "ReportRoles"]), "arn:aws:iam::111122223333:role/iot-jitr-proven-*")
    error_message = "The function's role can't be read."
  }
}

run "without_jitp_and_jitr_no_other_service_is_read" {
  command = plan

  assert {
    condition = length(setsubtract(toset(flatten([
      for statement in jsondecode(output.report_json).Statement : [for action in statement.Action : split(":", action)[0]]
    ])), ["iot", "logs"])) == 0
    error_message = "A service is read that holds nothing of the module."
  }
}
