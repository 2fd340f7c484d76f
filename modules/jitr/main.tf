locals {
  # arn:PARTITION:iot:REGION:ACCOUNT
  iot_arn_prefix = join(":", slice(local.arn_parts, 0, 5))
  arn_parts      = split(":", var.certificate_arn)
  partition      = local.arn_parts[1]
  region         = local.arn_parts[3]
  account_id     = local.arn_parts[4]

  # Names must not depend on the lookup: a plan that defers it would replace the resources, including the
  # queue and the events in it.
  name = "iot-jitr-${var.name}"
  # A rule's name must not have "-": the hash distinguishes names that differ only in "-" and "_".
  rule_name  = "iot_jitr_${replace(var.name, "-", "_")}_${substr(sha256(var.name), 0, 8)}"
  queue_name = "${local.name}-dead-letters"

  tags = merge(var.tags, {
    "iot-ca:certificate-id"   = var.certificate_id
    "iot-ca:certificate-mode" = var.certificate_mode
  })

  # Amazon SQS developer guide, "Key management": who sends to an encrypted queue needs both. Lambda developer
  # guide: the function's environment is decrypted with its key.
  key_statements = [
    for arn in [var.kms_key_arn] : {
      Sid      = "UseTheKey"
      Effect   = "Allow"
      Action   = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource = arn
    } if arn != null
  ]

  # `make function` packs function/ into it. Lambda's CodeSha256 is the same hash.
  package          = "${path.module}/function.zip"
  source_code_hash = filebase64sha256(local.package)
}

# --- what devices may do

module "device_policy" {
  source = "../_device_policy"

  iot_arn_prefix = local.iot_arn_prefix
  device_policy  = var.device_policy
}

resource "aws_iot_policy" "device" {
  name   = local.name
  policy = module.device_policy.document
  tags   = local.tags
}

# AWS IoT does not delete a policy that devices have, and they must keep what it allows: before the policy
# is destroyed, they get a copy of it that Terraform does not manage. After the function is destroyed, which
# attaches the policy.
resource "terraform_data" "policy_release" {
  input = {
    python_command = var.python_command
    request = {
      name        = var.name
      target      = { account_id = local.account_id, region = local.region, credentials = var.credentials }
      policy_name = aws_iot_policy.device.name
    }
  }

  provisioner "local-exec" {
    when        = destroy
    interpreter = concat(self.input.python_command, ["${path.module}/../../scripts/iot_ca"])
    command     = "release-policy"
    quiet       = true

    environment = {
      IOT_CA_REQUEST = jsonencode(self.input.request)
    }
  }
}

# --- where events that failed are kept

resource "aws_sqs_queue" "dead_letters" {
  name                      = local.queue_name
  message_retention_seconds = 1209600 # the most there is: 14 days
  # SQS encrypts with one of the two.
  sqs_managed_sse_enabled = var.kms_key_arn == null ? true : null
  kms_master_key_id       = var.kms_key_arn
  tags                    = local.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = local.queue_name
  alarm_description   = "Devices were not provisioned: their events are in the queue ${local.queue_name}."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = aws_sqs_queue.dead_letters.name }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  ok_actions          = var.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "undelivered" {
  alarm_name          = "${local.name}-undelivered"
  alarm_description   = "Events of devices that were not provisioned could not be kept in the queue ${local.queue_name}: their certificates may still be PENDING_ACTIVATION, and AWS IoT sends the event again when the device connects. The log of ${local.name} has the IDs of those that it was run for."
  namespace           = "AWS/Lambda"
  metric_name         = "DestinationDeliveryFailures"
  dimensions          = { FunctionName = local.name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = local.tags
}

resource "aws_cloudwatch_metric_alarm" "lost" {
  alarm_name          = "${local.name}-lost"
  alarm_description   = "Events of devices reached neither the function ${local.name} nor the queue ${local.queue_name}: their certificates are still PENDING_ACTIVATION, and AWS IoT sends the event again when the device connects."
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = local.tags

  metric_query {
    id = "lost"
    # A query, since the metric has the dimension ActionType as well, whose values AWS does not tell:
    # an alarm on a metric that it misnames would never go off.
    expression  = "SELECT SUM(ErrorActionFailure) FROM \"AWS/IoT\" WHERE RuleName = '${local.rule_name}'"
    period      = 60
    return_data = true
  }
}

# AWS IoT developer guide, "Rule metrics": the one dimension is RuleName. No query, of which CloudWatch allows 200 in the
# alarms of an account and Region.
resource "aws_cloudwatch_metric_alarm" "throttled" {
  alarm_name          = "${local.name}-throttled"
  alarm_description   = "AWS IoT throttled the rule ${local.rule_name}, so events of devices did not reach it: their certificates are still PENDING_ACTIVATION, and AWS IoT sends the event again when the device connects."
  namespace           = "AWS/IoT"
  metric_name         = "RuleMessageThrottled"
  dimensions          = { RuleName = local.rule_name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = local.tags
}

# A query for the same reason as above: the metric has the dimension ActionType as well.
resource "aws_cloudwatch_metric_alarm" "not_called" {
  alarm_name          = "${local.name}-not-called"
  alarm_description   = "The rule ${local.rule_name} could not call the function ${local.name}, and kept the events in the queue ${local.queue_name} if it could."
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = local.tags

  metric_query {
    id          = "failures"
    expression  = "SELECT SUM(Failure) FROM \"AWS/IoT\" WHERE RuleName = '${local.rule_name}'"
    period      = 60
    return_data = true
  }
}

resource "aws_cloudwatch_metric_alarm" "refused" {
  alarm_name        = "${local.name}-refused"
  alarm_description = "Devices were refused for good: the lines with \"refused\" in the log of ${local.name} have the IDs, subjects and serial numbers of their certificates, and the reasons."
  # Of the lines themselves (function/metrics.py): CloudWatch makes the metric out of the function's log.
  namespace           = "iot-ca/jitr"
  metric_name         = "DevicesRefused"
  dimensions          = { FunctionName = local.name }
  statistic           = "Sum"
  period              = 60
  evaluation_periods  = 1
  threshold           = 0
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = var.alarm_actions
  tags                = local.tags
}

# --- the function

# Where the package was when its content last changed. The aws provider uploads the package again if only
# `filename` changes, but path.module differs between machines (an absolute TF_DATA_DIR, another name of the
# module call), so a new path alone must not be a change. `ignore_changes = [filename]` on the function
# would have each update read the path in the state, which another machine may not have. A replacement of
# this record takes the path of the machine that plans, and only new content replaces it.
resource "terraform_data" "package" {
  input            = local.package
  triggers_replace = local.source_code_hash

  lifecycle {
    ignore_changes = [input]
  }
}

resource "aws_cloudwatch_log_group" "function" {
  #checkov:skip=CKV_AWS_338:log_retention_days says how long; a year of logs is the user's decision.
  name              = "/aws/lambda/${local.name}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = local.tags
}

resource "aws_iam_role" "function" {
  # A prefix of at most 38 characters: IAM is global, and two regions may use the same names.
  name_prefix          = "iot-jitr-${substr(var.name, 0, 28)}-"
  description          = "Function ${local.name} provisions devices with it."
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "function" {
  name = "provision-devices"
  role = aws_iam_role.function.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Certificates"
          Effect   = "Allow"
          Action   = ["iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy", "iot:AttachThingPrincipal"]
          Resource = "${local.iot_arn_prefix}:cert/*"
        },
        {
          Sid      = "Things"
          Effect   = "Allow"
          Action   = ["iot:CreateThing", "iot:DescribeThing", "iot:UpdateThing"]
          Resource = "${local.iot_arn_prefix}:thing/*"
        },
        {
          Sid      = "Log"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
          Resource = "arn:${local.partition}:logs:${local.region}:${local.account_id}:log-group:/aws/lambda/${local.name}:*"
        },
        {
          Sid      = "DeadLetters"
          Effect   = "Allow"
          Action   = "sqs:SendMessage"
          Resource = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.queue_name}"
        },
      ],
      [
        for arn in [var.hook_function_arn] : {
          Sid      = "AskTheHook"
          Effect   = "Allow"
          Action   = "lambda:InvokeFunction"
          Resource = arn
        } if arn != null
      ],
      local.key_statements,
      [
        for action in ["xray:PutTraceSegments", "xray:PutTelemetryRecords"] : {
          # IAM knows no resource for these actions.
          Sid      = replace(action, "xray:", "")
          Effect   = "Allow"
          Action   = action
          Resource = "*"
        } if var.xray_tracing
      ]
    )
  })
}

resource "aws_lambda_function" "function" {
  #checkov:skip=CKV_AWS_116:Events that failed go to a queue, as the destination of the asynchronous invocation.
  #checkov:skip=CKV_AWS_117:The function calls AWS's public endpoints only, and reaches nothing in a VPC.
  #checkov:skip=CKV_AWS_272:The package is a file of the module with a fixed hash; a signing profile would be the user's.
  function_name = local.name
  description   = "Just-in-time registration of devices of CA ${var.certificate_id} (${var.certificate_mode})"
  role          = aws_iam_role.function.arn
  runtime       = var.runtime
  handler       = "jitr.handler.handler"
  # What a run may take at the worst: seven seconds until a throttled hook hears, its 30 seconds, and
  # AWS IoT throttling for as long.
  timeout                        = 90
  memory_size                    = 256
  filename                       = terraform_data.package.input
  source_code_hash               = local.source_code_hash
  reserved_concurrent_executions = var.reserved_concurrency
  kms_key_arn                    = var.kms_key_arn
  # A function that is in the state keeps the time of its creation, see the postcondition.
  tags = merge(local.tags, { "iot-ca:created" = plantimestamp() })

  tracing_config {
    mode = var.xray_tracing ? "Active" : "PassThrough"
  }

  environment {
    variables = {
      JITR_CA_CERTIFICATE_ID    = var.certificate_id
      JITR_CA_CERTIFICATE_MODE  = var.certificate_mode
      JITR_ACCOUNT_ID           = local.account_id
      JITR_POLICY_NAME          = aws_iot_policy.device.name
      JITR_THING_TYPE_NAME      = var.thing_type_name == null ? "" : var.thing_type_name
      JITR_SUBJECT_ATTRIBUTES   = jsonencode(var.subject_attributes)
      JITR_HOOK_FUNCTION_ARN    = var.hook_function_arn == null ? "" : var.hook_function_arn
      JITR_ON_REFUSAL           = var.on_refusal
      JITR_ON_PERMANENT_FAILURE = var.on_permanent_failure
    }
  }

  # Without its permissions it would fail; without the group Lambda would make one that is kept for
  # ever.
  depends_on = [aws_iam_role_policy.function, aws_cloudwatch_log_group.function, terraform_data.policy_release]

  lifecycle {
    ignore_changes = [tags["iot-ca:created"]]

    # Not a validation, which may look at one variable only before Terraform 1.9.
    precondition {
      condition     = var.thing_type_name != null || length(var.subject_attributes) <= 1
      error_message = "subject_attributes has ${nonsensitive(sensitive(length(var.subject_attributes)))} attributes. A thing without a type has three, and two of them are ca_certificate_id and ca_certificate_mode: set thing_type_name, or leave one attribute."
    }

    # The function was deleted outside Terraform or is tainted, and the state is of a machine that has the module at
    # another path. Only this plan's creation looks for the package, see terraform_data.package.
    postcondition {
      condition = alltrue([
        for path in try(self.tags["iot-ca:created"] == plantimestamp(), false) ? [terraform_data.package.input] : [] :
        fileexists(path)
      ])
      error_message = "The function ${local.name} must be created, and its package is not at ${terraform_data.package.input}. Plan with -replace='<address of this module>.terraform_data.package', which takes it from this machine."
    }
  }
}

resource "aws_lambda_function_event_invoke_config" "function" {
  function_name          = aws_lambda_function.function.function_name
  maximum_retry_attempts = 2
  # The most there is: while AWS IoT or Lambda throttles, six hours.
  maximum_event_age_in_seconds = 21600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.dead_letters.arn
    }
  }

  lifecycle {
    # Lambda deletes it with the function, so recreate it too.
    replace_triggered_by = [aws_lambda_function.function.arn]
  }
}

# --- from the event to the function

resource "aws_iam_role" "rule" {
  name_prefix          = "iot-jitr-rule-${substr(var.name, 0, 23)}-"
  description          = "Rule ${local.rule_name} keeps events with it that do not reach the function."
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = local.account_id }
        ArnLike      = { "aws:SourceArn" = "${local.iot_arn_prefix}:rule/${local.rule_name}" }
      }
    }]
  })
}

resource "aws_iam_role_policy" "rule" {
  name = "keep-dead-letters"
  role = aws_iam_role.rule.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Effect   = "Allow"
        Action   = "sqs:SendMessage"
        Resource = "arn:${local.partition}:sqs:${local.region}:${local.account_id}:${local.queue_name}"
      }],
      local.key_statements
    )
  })
}

resource "aws_iot_topic_rule" "registered" {
  name        = local.rule_name
  description = "Just-in-time registration of devices of CA ${var.certificate_id} (${var.certificate_mode})"
  enabled     = true
  sql         = "SELECT * FROM '$aws/events/certificates/registered/${var.certificate_id}'"
  sql_version = "2016-03-23"
  tags        = local.tags

  lambda {
    function_arn = aws_lambda_function.function.arn
  }

  error_action {
    sqs {
      queue_url  = aws_sqs_queue.dead_letters.url
      role_arn   = aws_iam_role.rule.arn
      use_base64 = false
    }
  }

  # No event before there is a place for those that fail.
  depends_on = [aws_iam_role_policy.rule, aws_lambda_function_event_invoke_config.function]
}

resource "aws_lambda_permission" "rule" {
  # A prefix: where what depends on this module is created before it is destroyed, so is this, and
  # Lambda refuses two of the same name. A rule that was deleted by hand replaces it.
  statement_id_prefix = "iot-rule-"
  action              = "lambda:InvokeFunction"
  function_name       = aws_lambda_function.function.function_name
  principal           = "iot.amazonaws.com"
  # Of the rule, not of the looked-up CA: it is known in every plan, and a change of it replaces the
  # permission.
  source_arn     = aws_iot_topic_rule.registered.arn
  source_account = split(":", aws_iot_topic_rule.registered.arn)[4]

  lifecycle {
    # Lambda deletes it with the function, so recreate it too.
    replace_triggered_by = [aws_lambda_function.function.arn]
  }
}
