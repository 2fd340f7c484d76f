locals {
  # AWS IoT developer guide, "Device provisioning metrics": no dimension for the CA is documented, so these are
  # about all devices of the account and Region that AWS IoT provisions just in time.
  alarms = {
    "ProvisionThing.ClientError" = {
      name        = "iot-jitp-client-errors"
      description = "AWS IoT could not provision devices because of what they or the template ask for, or of the template's role. Their certificates are PENDING_ACTIVATION."
    }
    "ProvisionThing.ServerError" = {
      name        = "iot-jitp-server-errors"
      description = "AWS IoT could not provision devices because of an error of its own. Their certificates are PENDING_ACTIVATION."
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "provisioning" {
  for_each = local.alarms

  alarm_name          = each.value.name
  alarm_description   = "${each.value.description} See \"When a device is not provisioned\" in the README of modules/jitp."
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = var.tags

  metric_query {
    id = "errors"
    # A query, since an alarm on a metric whose dimensions differ from the documented ones would never go off.
    # Metrics Insights needs double quotes around a metric's name with a dot.
    expression  = "SELECT SUM(\"${each.key}\") FROM \"AWS/IoT\""
    period      = 300
    return_data = true
  }
}
