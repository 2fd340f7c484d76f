# For `status` and `diagnose`, which read only. `diagnose` may be run for any device, so that in AWS IoT it
# reads by kind of resource; what other services hold is limited to what modules/jitp and modules/jitr create.

locals {
  # Roles of templates and functions; that of a rule is not read.
  report_roles = concat(
    local.creates_jitp_roles ? local.jitp_roles : [],
    sort(var.jitp_role_arns),
    local.function_roles,
  )

  report_statements = [
    {
      # IAM knows no resource for these actions.
      Sid = "ReportLists"
      Action = [
        "iot:ListCACertificates", "iot:ListPrincipalThings", "iot:ListProvisioningTemplates", "iot:ListTopicRules",
        "iot:DescribeEndpoint", "iot:DescribeEventConfigurations", "iot:GetV2LoggingOptions",
      ]
      Resource  = ["*"]
      Condition = local.in_regions
    },
    {
      Sid      = "ReportCertificates"
      Action   = ["iot:DescribeCACertificate", "iot:ListTagsForResource"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:cacert/*"]
    },
    {
      Sid      = "ReportDevices"
      Action   = ["iot:DescribeCertificate", "iot:ListAttachedPolicies", "iot:TestAuthorization"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:cert/*"]
    },
    {
      Sid      = "ReportTemplates"
      Action   = ["iot:DescribeProvisioningTemplate"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:provisioningtemplate/*"]
    },
    {
      Sid      = "ReportThings"
      Action   = ["iot:DescribeThing"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:thing/*"]
    },
    {
      Sid      = "ReportThingTypes"
      Action   = ["iot:DescribeThingType"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:thingtype/*"]
    },
    {
      Sid      = "ReportThingGroups"
      Action   = ["iot:DescribeThingGroup"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:thinggroup/*"]
    },
    {
      Sid      = "ReportDevicePolicies"
      Action   = ["iot:GetPolicy"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:policy/*"]
    },
    {
      Sid      = "ReportRules"
      Action   = ["iot:GetTopicRule"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:rule/*"]
    },
    {
      Sid      = "ReportRoles"
      Action   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"]
      Resource = local.report_roles
    },
    {
      # The policies and the permissions boundary of these roles, which have any name.
      Sid      = "ReportRolePolicies"
      Action   = length(local.report_roles) > 0 ? ["iam:GetPolicy", "iam:GetPolicyVersion"] : []
      Resource = [for owner in ["aws", var.account_id] : "arn:${var.partition}:iam::${owner}:policy/*"]
    },
    {
      Sid = "ReportFunctions"
      Action = [
        "lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig",
        "lambda:GetPolicy",
      ]
      Resource = local.jitr_resources.functions
    },
    {
      # The message is not hidden from others and not deleted.
      Sid      = "ReportDeadLetters"
      Action   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ReceiveMessage"]
      Resource = local.jitr_resources.queues
    },
    {
      # CloudWatch Logs wants ":*" behind a group's name.
      Sid    = "ReportLogs"
      Action = ["logs:FilterLogEvents"]
      Resource = [
        for group in concat(
          [for region in sort(var.regions) : "arn:${var.partition}:logs:${region}:${var.account_id}:log-group:AWSIotLogsV2"],
          local.jitr_resources.logs,
        ) : "${group}:*"
      ]
    },
    {
      Sid      = "ReportCredentials"
      Action   = ["sts:AssumeRole"]
      Resource = sort(var.assume_role_arns)
    },
  ]

  report_document = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for statement in local.report_statements : merge(
        { Sid = statement.Sid, Effect = "Allow", Action = statement.Action, Resource = statement.Resource },
        try(statement.Condition, null) == null ? {} : { Condition = statement.Condition },
      ) if length(statement.Action) > 0 && length(statement.Resource) > 0
    ]
  })
}
