# Which resources an action takes, and which conditions: AWS's Service Authorization Reference. Which
# actions are called: the tests let roles with exactly these policies do everything there is to do.

locals {
  # arn:PARTITION:iot:REGION:ACCOUNT
  iot_arn_prefixes = [for region in sort(var.regions) : "arn:${var.partition}:iot:${region}:${var.account_id}"]

  certificates    = flatten([for prefix in local.iot_arn_prefixes : [for id in sort(var.certificate_ids) : "${prefix}:cacert/${id}"]])
  snapshot_groups = flatten([for prefix in local.iot_arn_prefixes : [for id in sort(var.certificate_ids) : "${prefix}:thinggroup/iot-ca-mode-change-${id}"]])
  templates       = flatten([for prefix in local.iot_arn_prefixes : [for name in sort(var.jitp_template_names) : "${prefix}:provisioningtemplate/${name}"]])

  # modules/jitp and modules/jitr put only the first 28 or 23 characters of a name into that of a role. In a
  # name with "*" those after the first "*" may be cut off, and those before it may be the whole name.
  role_name_patterns = {
    for max_length in [23, 28] : max_length => {
      for name in setunion(var.jitp_template_names, var.jitr_names) :
      name => "${substr(split("*", name)[0], 0, max_length)}${length(split("*", name)[0]) < min(length(name), max_length) ? "" : "-"}*"
    }
  }
  role_arn_prefix = "arn:${var.partition}:iam::${var.account_id}:role"
  jitp_roles      = distinct([for name in sort(var.jitp_template_names) : "${local.role_arn_prefix}/iot-jitp-${local.role_name_patterns[28][name]}"])
  function_roles  = distinct([for name in sort(var.jitr_names) : "${local.role_arn_prefix}/iot-jitr-${local.role_name_patterns[28][name]}"])
  rule_roles      = distinct([for name in sort(var.jitr_names) : "${local.role_arn_prefix}/iot-jitr-rule-${local.role_name_patterns[23][name]}"])

  jitr_resources = {
    for kind, resource in {
      policies  = "iot:REGION:policy/iot-jitr-NAME"
      rules     = "iot:REGION:rule/iot_jitr_RULE_*"
      queues    = "sqs:REGION:iot-jitr-NAME-dead-letters"
      functions = "lambda:REGION:function:iot-jitr-NAME"
      logs      = "logs:REGION:log-group:/aws/lambda/iot-jitr-NAME"
      alarms    = "cloudwatch:REGION:alarm:iot-jitr-NAME-*"
      } : kind => flatten([
        for region in sort(var.regions) : [
          for name in sort(var.jitr_names) : format("arn:%s:%s", var.partition, replace(replace(replace(
            resource,
            "REGION", "${region}:${var.account_id}"),
            "NAME", name),
          "RULE", replace(name, "-", "_")))
        ]
    ])
  }

  # By the names that modules/jitp-alarms gives them.
  jitp_alarms = flatten([
    for region in sort(var.regions) : [
      for kind in ["client", "server"] : "arn:${var.partition}:cloudwatch:${region}:${var.account_id}:alarm:iot-jitp-${kind}-errors"
    ] if var.jitp_alarms
  ])

  # Actions that IAM cannot limit to a resource are limited to the Regions.
  in_regions = { StringEquals = { "aws:RequestedRegion" = sort(var.regions) } }

  creates_jitp_roles = var.jitp_create_roles && length(var.jitp_template_names) > 0
  proof_keys         = sort(var.kms_key_arns)
  secrets            = sort(var.secret_arns)
  private_cas        = sort(var.acm_pca_arns)
  has_jitr           = length(var.jitr_names) > 0

  # Each statement once, with what a plan needs and what an apply needs in addition.
  statements = [
    {
      Sid = "Certificates"
      # With the check of the quota, applying may look at all of them anyway.
      PlanOnly = var.quota_check ? ["iot:DescribeCACertificate"] : []
      Plan     = concat(var.quota_check ? [] : ["iot:DescribeCACertificate"], ["iot:ListTagsForResource"])
      Apply    = concat(["iot:UpdateCACertificate", "iot:TagResource", "iot:UntagResource"], var.deletion || var.mode_change ? ["iot:DeleteCACertificate"] : [])
      Resource = local.certificates
    },
    {
      Sid       = "RegistrationCode"
      Plan      = var.default_mode ? ["iot:GetRegistrationCode"] : []
      Apply     = []
      Resource  = ["*"]
      Condition = local.in_regions
    },
    {
      Sid       = "Registration"
      Plan      = []
      Apply     = concat(["iot:RegisterCACertificate"], var.deletion && var.device_check ? ["iot:ListCertificatesByCA"] : [])
      Resource  = ["*"]
      Condition = local.in_regions
    },
    {
      Sid   = "ModeChange"
      Plan  = []
      Apply = concat(["iot:DescribeThingGroup"], var.mode_change ? ["iot:CreateThingGroup", "iot:DeleteThingGroup"] : [])
      # Looked for before every change of a CA: an interrupted change of its mode is finished first.
      Resource = local.snapshot_groups
    },
    {
      Sid       = "QuotaList"
      Plan      = []
      Apply     = var.quota_check ? ["iot:ListCACertificates"] : []
      Resource  = ["*"]
      Condition = local.in_regions
    },
    {
      Sid      = "QuotaLook"
      Plan     = []
      Apply    = var.quota_check ? ["iot:DescribeCACertificate"] : []
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:cacert/*"]
    },
    {
      Sid      = "KeysInKms"
      Plan     = ["kms:GetPublicKey"]
      Apply    = ["kms:Sign"]
      Resource = local.proof_keys
    },
    {
      Sid      = "KeysInSecrets"
      Plan     = []
      Apply    = ["secretsmanager:GetSecretValue"]
      Resource = local.secrets
    },
    {
      Sid       = "KeysOfSecrets"
      Plan      = []
      Apply     = ["kms:Decrypt"]
      Resource  = sort(var.secret_kms_key_arns)
      Condition = { StringLike = { "kms:ViaService" = ["secretsmanager.*"] } }
    },
    {
      Sid      = "PrivateCas"
      Plan     = ["acm-pca:GetCertificateAuthorityCertificate"]
      Apply    = ["acm-pca:IssueCertificate", "acm-pca:GetCertificate"]
      Resource = local.private_cas
    },
    {
      Sid      = "Credentials"
      Plan     = ["sts:AssumeRole"]
      Apply    = []
      Resource = sort(var.assume_role_arns)
    },
    {
      Sid  = "Templates"
      Plan = ["iot:DescribeProvisioningTemplate", "iot:ListTagsForResource"]
      Apply = [
        "iot:CreateProvisioningTemplate", "iot:UpdateProvisioningTemplate", "iot:DeleteProvisioningTemplate",
        "iot:CreateProvisioningTemplateVersion", "iot:TagResource", "iot:UntagResource",
      ]
      Resource = local.templates
    },
    {
      Sid  = "TemplateRoles"
      Plan = ["iam:GetRole", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]
      Apply = [
        "iam:CreateRole", "iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRoleDescription", "iam:TagRole", "iam:UntagRole",
      ]
      Resource = local.creates_jitp_roles ? local.jitp_roles : []
    },
    {
      # No other policy: a principal that may attach any policy to a role that AWS IoT assumes may do anything.
      Sid       = "TemplateRolePolicies"
      Plan      = []
      Apply     = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      Resource  = local.creates_jitp_roles ? local.jitp_roles : []
      Condition = { ArnEquals = { "iam:PolicyARN" = ["arn:${var.partition}:iam::aws:policy/service-role/AWSIoTThingsRegistration"] } }
    },
    {
      Sid       = "TemplateRolesForIot"
      Plan      = []
      Apply     = ["iam:PassRole"]
      Resource  = concat(local.creates_jitp_roles ? local.jitp_roles : [], sort(var.jitp_role_arns))
      Condition = { StringEquals = { "iam:PassedToService" = ["iot.amazonaws.com"] } }
    },
    {
      # AWS's own CloudFormation handlers for CA certificates and templates need it, too. Without a condition:
      # this call does not name the service that a role is passed to.
      Sid      = "TemplateRolesGiven"
      Plan     = []
      Apply    = ["iam:GetRole"]
      Resource = sort(var.jitp_role_arns)
    },
    {
      Sid  = "JitrIot"
      Plan = ["iot:GetPolicy", "iot:GetTopicRule", "iot:ListTagsForResource"]
      Apply = [
        "iot:CreatePolicy", "iot:CreatePolicyVersion", "iot:ListPolicyVersions", "iot:DeletePolicyVersion", "iot:DeletePolicy",
        "iot:ListTargetsForPolicy",
        "iot:CreateTopicRule", "iot:ReplaceTopicRule", "iot:DeleteTopicRule", "iot:TagResource", "iot:UntagResource",
      ]
      Resource = concat(local.jitr_resources.policies, local.jitr_resources.rules)
    },
    {
      # Devices get a copy of the policy when the CA leaves JITR.
      Sid      = "JitrPolicyCopies"
      Plan     = []
      Apply    = ["iot:CreatePolicy"]
      Resource = [for policy in local.jitr_resources.policies : "${policy}-*"]
    },
    {
      Sid      = "JitrDevices"
      Plan     = []
      Apply    = ["iot:AttachPolicy", "iot:DetachPolicy"]
      Resource = [for prefix in local.iot_arn_prefixes : "${prefix}:cert/*" if local.has_jitr]
    },
    {
      # The aws provider looks for the rule among all before it reads it. The program warns if the events are disabled
      # that call the function.
      Sid       = "JitrReads"
      Plan      = local.has_jitr ? ["iot:DescribeEventConfigurations", "iot:ListTopicRules"] : []
      Apply     = []
      Resource  = ["*"]
      Condition = local.in_regions
    },
    {
      Sid      = "JitrQueues"
      Plan     = ["sqs:GetQueueAttributes", "sqs:ListQueueTags"]
      Apply    = ["sqs:CreateQueue", "sqs:SetQueueAttributes", "sqs:DeleteQueue", "sqs:TagQueue", "sqs:UntagQueue"]
      Resource = local.jitr_resources.queues
    },
    {
      Sid      = "JitrAlarms"
      Plan     = ["cloudwatch:ListTagsForResource"]
      Apply    = ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
      Resource = local.jitr_resources.alarms
    },
    {
      Sid      = "JitpAlarms"
      Plan     = ["cloudwatch:ListTagsForResource"]
      Apply    = ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:TagResource", "cloudwatch:UntagResource"]
      Resource = local.jitp_alarms
    },
    {
      # Asked for all alarms, whichever one is described.
      Sid      = "AlarmsList"
      Plan     = local.has_jitr || var.jitp_alarms ? ["cloudwatch:DescribeAlarms"] : []
      Apply    = []
      Resource = [for region in sort(var.regions) : "arn:${var.partition}:cloudwatch:${region}:${var.account_id}:alarm:*"]
    },
    {
      # CloudWatch Logs wants ":*" behind a group's name, except where it is about tags.
      Sid  = "JitrLogs"
      Plan = ["logs:ListTagsForResource"]
      Apply = concat(
        ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup", "logs:TagResource", "logs:UntagResource"],
        length(var.jitr_kms_key_arns) > 0 ? ["logs:AssociateKmsKey", "logs:DisassociateKmsKey"] : [],
      )
      Resource = flatten([for group in local.jitr_resources.logs : [group, "${group}:*"]])
    },
    {
      Sid       = "JitrLogsList"
      Plan      = local.has_jitr ? ["logs:DescribeLogGroups"] : []
      Apply     = []
      Resource  = ["*"]
      Condition = local.in_regions
    },
    {
      Sid = "JitrFunctions"
      Plan = [
        "lambda:GetFunction", "lambda:ListVersionsByFunction", "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionEventInvokeConfig", "lambda:GetPolicy",
      ]
      Apply = [
        "lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:DeleteFunction",
        "lambda:PutFunctionConcurrency", "lambda:DeleteFunctionConcurrency", "lambda:PutFunctionEventInvokeConfig",
        "lambda:DeleteFunctionEventInvokeConfig", "lambda:AddPermission", "lambda:RemovePermission",
        "lambda:TagResource", "lambda:UntagResource",
      ]
      Resource = local.jitr_resources.functions
    },
    {
      Sid       = "JitrKeys"
      Plan      = ["kms:Decrypt"]
      Apply     = ["kms:Encrypt", "kms:CreateGrant"]
      Resource  = sort(var.jitr_kms_key_arns)
      Condition = { StringLike = { "kms:ViaService" = ["lambda.*"] } }
    },
    {
      Sid  = "JitrRoles"
      Plan = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListRolePolicies", "iam:ListAttachedRolePolicies"]
      Apply = [
        "iam:CreateRole", "iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRoleDescription", "iam:TagRole", "iam:UntagRole", "iam:PutRolePolicy", "iam:DeleteRolePolicy",
      ]
      Resource = concat(local.function_roles, local.rule_roles)
    },
    {
      Sid       = "JitrRolesForLambda"
      Plan      = []
      Apply     = ["iam:PassRole"]
      Resource  = local.function_roles
      Condition = { StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com"] } }
    },
    {
      Sid       = "JitrRolesForIot"
      Plan      = []
      Apply     = ["iam:PassRole"]
      Resource  = local.rule_roles
      Condition = { StringEquals = { "iam:PassedToService" = ["iot.amazonaws.com"] } }
    },
  ]

  documents = {
    for kind, actions in {
      plan  = [for statement in local.statements : concat(try(statement.PlanOnly, []), statement.Plan)]
      apply = [for statement in local.statements : concat(statement.Plan, statement.Apply)]
      } : kind => jsonencode({
        Version = "2012-10-17"
        Statement = [
          for index, statement in local.statements : merge(
            { Sid = statement.Sid, Effect = "Allow", Action = actions[index], Resource = statement.Resource },
            try(statement.Condition, null) == null ? {} : { Condition = statement.Condition },
          ) if length(actions[index]) > 0 && length(statement.Resource) > 0
        ]
    })
  }
}

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
        "iot:ListCACertificates", "iot:ListCertificatesByCA", "iot:ListPrincipalThings", "iot:ListProvisioningTemplates",
        "iot:ListTopicRules", "iot:DescribeEndpoint", "iot:DescribeEventConfigurations", "iot:GetV2LoggingOptions",
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
      # Without it, Lambda does not answer the function's environment.
      Sid       = "ReportFunctionKeys"
      Action    = ["kms:Decrypt"]
      Resource  = sort(var.jitr_kms_key_arns)
      Condition = { StringLike = { "kms:ViaService" = ["lambda.*"] } }
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
      # Asked for all alarms, whichever one is described.
      Sid      = "ReportAlarms"
      Action   = length(var.jitp_template_names) > 0 || local.has_jitr || var.jitp_alarms ? ["cloudwatch:DescribeAlarms"] : []
      Resource = [for region in sort(var.regions) : "arn:${var.partition}:cloudwatch:${region}:${var.account_id}:alarm:*"]
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
