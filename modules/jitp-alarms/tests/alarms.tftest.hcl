# The alarms, planned with a mocked AWS.

mock_provider "aws" {}

variables {
  alarm_actions = ["arn:aws:sns:eu-west-1:111122223333:on-call"]
  tags          = { team = "fleet" }
}

run "each_kind_of_error_has_an_alarm" {
  command = plan

  assert {
    condition = {
      for alarm in values(aws_cloudwatch_metric_alarm.provisioning) : alarm.alarm_name => one(alarm.metric_query).expression
      } == {
      iot-jitp-client-errors = "SELECT SUM(\"ProvisionThing.ClientError\") FROM \"AWS/IoT\""
      iot-jitp-server-errors = "SELECT SUM(\"ProvisionThing.ServerError\") FROM \"AWS/IoT\""
    }
    error_message = "An alarm is missing, or is not about the metric that AWS IoT writes."
  }
  assert {
    condition = alltrue([
      for alarm in values(aws_cloudwatch_metric_alarm.provisioning) : alltrue([
        alarm.comparison_operator == "GreaterThanThreshold",
        alarm.threshold == 0,
        alarm.treat_missing_data == "notBreaching",
        alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:111122223333:on-call"]),
        alarm.tags == tomap({ team = "fleet" }),
      ])
    ])
    error_message = "An alarm does not go off at the first error, stays on without data, tells nobody or lacks its tags."
  }
}
