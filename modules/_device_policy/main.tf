locals {
  topics = [
    "$${iot:Connection.Thing.ThingName}/*",
    "$aws/things/$${iot:Connection.Thing.ThingName}/*",
  ]

  default_document = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "iot:Connect"
        Resource = "${var.iot_arn_prefix}:client/$${iot:Connection.Thing.ThingName}"
      },
      {
        Effect   = "Allow"
        Action   = ["iot:Publish", "iot:Receive", "iot:RetainPublish"]
        Resource = [for topic in local.topics : "${var.iot_arn_prefix}:topic/${topic}"]
      },
      {
        Effect   = "Allow"
        Action   = "iot:Subscribe"
        Resource = [for topic in local.topics : "${var.iot_arn_prefix}:topicfilter/${topic}"]
      },
    ]
  })
}
