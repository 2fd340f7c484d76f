# The rule, the function and what is around them, planned with a mocked AWS.

mock_provider "aws" {
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111122223333:role/made" }
  }
  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:eu-west-1:111122223333:iot-jitr-devices-dead-letters"
      url = "https://sqs.eu-west-1.amazonaws.com/111122223333/iot-jitr-devices-dead-letters"
    }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-west-1:111122223333:function:iot-jitr-devices" }
  }
  mock_resource "aws_iot_topic_rule" {
    defaults = { arn = "arn:aws:iot:eu-west-1:111122223333:rule/iot_jitr_devices_c98c2a68" }
  }
}

variables {
  name             = "devices"
  certificate_id   = "1f1a"
  certificate_arn  = "arn:aws:iot:eu-west-1:111122223333:cacert/1f1a"
  certificate_mode = "SNI_ONLY"
  # In place of Python, at the end of a run that applies: AWS is mocked, and the program would not be.
  python_command = ["true"]
}

run "what_is_made_for_a_ca" {
  command = plan
  variables {
    tags = { team = "fleet" }
  }

  assert {
    condition     = aws_iot_topic_rule.registered.sql == "SELECT * FROM '$aws/events/certificates/registered/1f1a'"
    error_message = "The rule hears of other devices than this CA's."
  }
  assert {
    condition     = aws_iot_topic_rule.registered.enabled && aws_iot_topic_rule.registered.sql_version == "2016-03-23"
    error_message = "The rule does not work, or reads its SQL as in 2015."
  }
  assert {
    condition     = can(regex("^[0-9A-Za-z_]{1,128}$", aws_iot_topic_rule.registered.name))
    error_message = "AWS IoT refuses the rule's name."
  }
  assert {
    condition     = aws_lambda_function.function.handler == "jitr.handler.handler"
    error_message = "The entry point is another than the package has."
  }
  assert {
    condition     = aws_lambda_function.function.runtime == "python3.12"
    error_message = "The function runs with another Python."
  }
  assert {
    condition = aws_lambda_function.function.environment[0].variables == tomap({
      JITR_CA_CERTIFICATE_ID    = "1f1a"
      JITR_CA_CERTIFICATE_MODE  = "SNI_ONLY"
      JITR_ACCOUNT_ID           = "111122223333"
      JITR_POLICY_NAME          = "iot-jitr-devices"
      JITR_THING_TYPE_NAME      = ""
      JITR_SUBJECT_ATTRIBUTES   = "{\"serial_number\":\"SerialNumber\"}"
      JITR_HOOK_FUNCTION_ARN    = ""
      JITR_ON_REFUSAL           = "INACTIVE"
      JITR_ON_PERMANENT_FAILURE = "INACTIVE"
    })
    error_message = "The function is told something else."
  }
  assert {
    condition     = aws_lambda_function.function.reserved_concurrent_executions == 5
    error_message = "More devices are provisioned at once than AWS IoT's quotas allow."
  }
  assert {
    condition     = aws_iot_policy.device.name == "iot-jitr-devices"
    error_message = "The policy has another name than the function is told."
  }
  assert {
    condition = sort(distinct(flatten([
      for statement in jsondecode(aws_iot_policy.device.policy).Statement : statement.Action
    ]))) == tolist(["iot:Connect", "iot:Publish", "iot:Receive", "iot:RetainPublish", "iot:Subscribe"])
    error_message = "A device may do something else than connect, publish, receive and subscribe."
  }
  assert {
    condition = alltrue([
      for resource in flatten([for statement in jsondecode(aws_iot_policy.device.policy).Statement : statement.Resource]) :
      can(regex("^arn:aws:iot:eu-west-1:111122223333:(client/|topic/|topicfilter/|topic/\\$aws/things/|topicfilter/\\$aws/things/)\\$\\{iot:Connection\\.Thing\\.ThingName\\}(/\\*)?$", resource))
    ])
    error_message = "The policy reaches beyond the device's own client ID, topics and shadow in this account and region."
  }
  assert {
    condition     = aws_sqs_queue.dead_letters.message_retention_seconds == 1209600 && aws_sqs_queue.dead_letters.sqs_managed_sse_enabled
    error_message = "Dead letters are kept for less than 14 days, or in the clear."
  }
  assert {
    condition     = aws_lambda_function_event_invoke_config.function.maximum_retry_attempts == 2 && aws_lambda_function_event_invoke_config.function.maximum_event_age_in_seconds == 21600
    error_message = "Lambda gives up too early."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.dead_letters.dimensions == tomap({ QueueName = "iot-jitr-devices-dead-letters" })
    error_message = "The alarm is about another queue."
  }
  assert {
    condition = alltrue([
      for alarm in [
        aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.undelivered, aws_cloudwatch_metric_alarm.lost,
        aws_cloudwatch_metric_alarm.throttled, aws_cloudwatch_metric_alarm.not_called, aws_cloudwatch_metric_alarm.refused,
      ] :
      alarm.comparison_operator == "GreaterThanThreshold" && alarm.threshold == 0 && alarm.treat_missing_data == "notBreaching" && length(coalesce(alarm.alarm_actions, [])) == 0
    ])
    error_message = "An alarm does not go off at the first event, goes off without any, or tells somebody."
  }
  assert {
    condition     = aws_cloudwatch_metric_alarm.undelivered.dimensions == tomap({ FunctionName = "iot-jitr-devices" })
    error_message = "The alarm is about another function."
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.refused.namespace == "iot-ca/jitr"
      && aws_cloudwatch_metric_alarm.refused.metric_name == "DevicesRefused"
      && aws_cloudwatch_metric_alarm.refused.dimensions == tomap({ FunctionName = aws_lambda_function.function.function_name })
      && aws_cloudwatch_metric_alarm.refused.statistic == "Sum"
    )
    error_message = "The alarm is about another metric than the function writes."
  }
  assert {
    condition = [
      for alarm in [aws_cloudwatch_metric_alarm.lost, aws_cloudwatch_metric_alarm.not_called] :
      [for query in alarm.metric_query : [query.expression, query.period, query.return_data]]
      ] == [
      for metric in ["ErrorActionFailure", "Failure"] :
      [["SELECT SUM(${metric}) FROM \"AWS/IoT\" WHERE RuleName = '${aws_iot_topic_rule.registered.name}'", 60, true]]
    ]
    error_message = "An alarm is about another rule, or about another metric of the rule."
  }
  assert {
    condition = (
      aws_cloudwatch_metric_alarm.throttled.namespace == "AWS/IoT"
      && aws_cloudwatch_metric_alarm.throttled.metric_name == "RuleMessageThrottled"
      && aws_cloudwatch_metric_alarm.throttled.dimensions == tomap({ RuleName = aws_iot_topic_rule.registered.name })
      && aws_cloudwatch_metric_alarm.throttled.statistic == "Sum"
    )
    error_message = "The alarm is about another rule, or about another metric of the rule."
  }
  assert {
    condition     = aws_iam_role.function.permissions_boundary == null && aws_iam_role.rule.permissions_boundary == null
    error_message = "A role is bounded without being asked for."
  }
  assert {
    condition     = aws_cloudwatch_log_group.function.name == "/aws/lambda/${aws_lambda_function.function.function_name}" && aws_cloudwatch_log_group.function.retention_in_days == 90
    error_message = "The log is kept elsewhere or for another time."
  }
  assert {
    condition = alltrue([
      for tags in [
        aws_iot_policy.device.tags, aws_iot_topic_rule.registered.tags,
        tomap({ for key, value in aws_lambda_function.function.tags : key => value if key != "iot-ca:created" }),
        aws_sqs_queue.dead_letters.tags, aws_cloudwatch_log_group.function.tags,
        aws_cloudwatch_metric_alarm.dead_letters.tags, aws_cloudwatch_metric_alarm.undelivered.tags,
        aws_cloudwatch_metric_alarm.throttled.tags, aws_cloudwatch_metric_alarm.not_called.tags,
        aws_cloudwatch_metric_alarm.refused.tags,
        ] : tags == tomap({
          team                      = "fleet"
          "iot-ca:certificate-id"   = "1f1a"
          "iot-ca:certificate-mode" = "SNI_ONLY"
      })
    ])
    error_message = "Tags are not the given ones and the CA's ID and mode."
  }
  assert {
    condition = alltrue([
      for role in [aws_iam_role.function, aws_iam_role.rule] :
      role.tags == tomap({ team = "fleet" }) && !strcontains(role.description, "1f1a")
    ])
    error_message = "A role that tells the CA's ID is unknown in every plan that defers the lookup."
  }
}

run "a_key_of_the_users_own_and_tracing" {
  command = plan
  variables {
    kms_key_arn  = "arn:aws:kms:eu-west-1:111122223333:key/1"
    xray_tracing = true
  }

  assert {
    condition = [
      aws_cloudwatch_log_group.function.kms_key_id, aws_sqs_queue.dead_letters.kms_master_key_id, aws_lambda_function.function.kms_key_arn,
    ] == [for _ in range(3) : "arn:aws:kms:eu-west-1:111122223333:key/1"]
    error_message = "Something is not encrypted with the given key."
  }
  assert {
    condition = [
      for policy in [aws_iam_role_policy.function.policy, aws_iam_role_policy.rule.policy] : [
        for statement in jsondecode(policy).Statement : [statement.Action, statement.Resource] if try(statement.Sid, "") == "UseTheKey"
      ]
    ] == [for _ in range(2) : [[["kms:Decrypt", "kms:GenerateDataKey"], "arn:aws:kms:eu-west-1:111122223333:key/1"]]]
    error_message = "The function or the rule may not use the key, and would lose events."
  }
  assert {
    condition = aws_lambda_function.function.tracing_config[0].mode == "Active" && [
      for statement in jsondecode(aws_iam_role_policy.function.policy).Statement : statement.Action if startswith(try(tostring(statement.Action), ""), "xray:")
    ] == ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
    error_message = "The function is not traced, or may not send what it traces."
  }
}

run "nobody_may_do_more_than_needed" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.function.policy).Statement :
      statement.Sid => [statement.Action, statement.Resource]
      } == {
      Certificates = [["iot:DescribeCertificate", "iot:UpdateCertificate", "iot:AttachPolicy", "iot:AttachThingPrincipal"], "arn:aws:iot:eu-west-1:111122223333:cert/*"]
      Things       = [["iot:CreateThing", "iot:DescribeThing", "iot:UpdateThing"], "arn:aws:iot:eu-west-1:111122223333:thing/*"]
      Log          = [["logs:CreateLogStream", "logs:PutLogEvents"], "arn:aws:logs:eu-west-1:111122223333:log-group:/aws/lambda/iot-jitr-devices:*"]
      DeadLetters  = ["sqs:SendMessage", "arn:aws:sqs:eu-west-1:111122223333:iot-jitr-devices-dead-letters"]
    }
    error_message = "The function may do something else."
  }
  assert {
    condition = jsondecode(aws_iam_role_policy.rule.policy).Statement == [
      { Effect = "Allow", Action = "sqs:SendMessage", Resource = "arn:aws:sqs:eu-west-1:111122223333:iot-jitr-devices-dead-letters" }
    ]
    error_message = "The rule may do something else."
  }
  assert {
    condition = jsondecode(aws_iam_role.function.assume_role_policy).Statement == [
      { Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "lambda.amazonaws.com" } }
    ]
    error_message = "Somebody else than Lambda may assume the function's role."
  }
  assert {
    condition = jsondecode(aws_iam_role.rule.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = "111122223333" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:iot:eu-west-1:111122223333:rule/${aws_iot_topic_rule.registered.name}" }
      }
    }]
    error_message = "Somebody else than this rule may assume its role."
  }
}

run "everything_that_can_be_chosen" {
  command = plan
  variables {
    certificate_mode     = "DEFAULT"
    device_policy        = "{\"Statement\": {\"Effect\": \"Deny\", \"Action\": \"iot:*\", \"Resource\": \"mine\"}}"
    thing_type_name      = "sensor"
    subject_attributes   = { maker = "Organization" }
    hook_function_arn    = "arn:aws:lambda:eu-central-1:444455556666:function:admit:live"
    on_refusal           = "REVOKED"
    on_permanent_failure = "KEEP"
    alarm_actions        = ["arn:aws:sns:eu-west-1:111122223333:on-call"]
    log_retention_days   = 365
    reserved_concurrency = -1
    runtime              = "python3.13"

    permissions_boundary_arn = "arn:aws:iam::111122223333:policy/boundary"
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.function, aws_iam_role.rule] :
      role.permissions_boundary == "arn:aws:iam::111122223333:policy/boundary"
    ])
    error_message = "A role is not bounded."
  }

  assert {
    condition     = jsondecode(aws_iot_policy.device.policy) == { Statement = { Effect = "Deny", Action = "iot:*", Resource = "mine" } }
    error_message = "device_policy is not the policy."
  }
  assert {
    condition = aws_lambda_function.function.environment[0].variables == tomap({
      JITR_CA_CERTIFICATE_ID    = "1f1a"
      JITR_CA_CERTIFICATE_MODE  = "DEFAULT"
      JITR_ACCOUNT_ID           = "111122223333"
      JITR_POLICY_NAME          = "iot-jitr-devices"
      JITR_THING_TYPE_NAME      = "sensor"
      JITR_SUBJECT_ATTRIBUTES   = "{\"maker\":\"Organization\"}"
      JITR_HOOK_FUNCTION_ARN    = "arn:aws:lambda:eu-central-1:444455556666:function:admit:live"
      JITR_ON_REFUSAL           = "REVOKED"
      JITR_ON_PERMANENT_FAILURE = "KEEP"
    })
    error_message = "The function is told something else."
  }
  assert {
    condition = [
      for statement in jsondecode(aws_iam_role_policy.function.policy).Statement :
      [statement.Action, statement.Resource] if statement.Sid == "AskTheHook"
    ] == [["lambda:InvokeFunction", "arn:aws:lambda:eu-central-1:444455556666:function:admit:live"]]
    error_message = "The function may not ask the hook, or may call others."
  }
  assert {
    condition = alltrue([
      for alarm in [
        aws_cloudwatch_metric_alarm.dead_letters, aws_cloudwatch_metric_alarm.undelivered, aws_cloudwatch_metric_alarm.lost,
        aws_cloudwatch_metric_alarm.throttled, aws_cloudwatch_metric_alarm.not_called, aws_cloudwatch_metric_alarm.refused,
      ] :
      alarm.alarm_actions == toset(["arn:aws:sns:eu-west-1:111122223333:on-call"])
    ])
    error_message = "An alarm tells nobody."
  }
  assert {
    condition     = aws_cloudwatch_log_group.function.retention_in_days == 365
    error_message = "The log is kept for another time."
  }
  assert {
    condition     = aws_lambda_function.function.reserved_concurrent_executions == -1 && aws_lambda_function.function.runtime == "python3.13"
    error_message = "Concurrency or runtime is not the given one."
  }
}

run "more_attributes_than_fit_without_a_type_are_refused" {
  command = plan
  variables {
    subject_attributes = { maker = "Organization", serial_number = "SerialNumber" }
  }
  expect_failures = [aws_lambda_function.function]
}

run "a_thing_with_a_type_has_room_for_many_attributes" {
  command = plan
  variables {
    thing_type_name    = "sensor"
    subject_attributes = { maker = "Organization", serial_number = "SerialNumber" }
  }

  assert {
    condition     = aws_lambda_function.function.environment[0].variables["JITR_SUBJECT_ATTRIBUTES"] == "{\"maker\":\"Organization\",\"serial_number\":\"SerialNumber\"}"
    error_message = "The function is told of other attributes."
  }
}

run "other_partitions_and_the_longest_name" {
  command = plan
  variables {
    name            = "abcdefghijklmnopqrstuvwxyz_012345678"
    certificate_arn = "arn:aws-cn:iot:cn-north-1:111122223333:cacert/1f1a"
  }

  assert {
    condition = alltrue([
      for resource in flatten([
        for policy in [aws_iot_policy.device.policy, aws_iam_role_policy.function.policy, aws_iam_role_policy.rule.policy] :
        [for statement in jsondecode(policy).Statement : statement.Resource]
      ]) : resource == "*" || can(regex("^arn:aws-cn:[a-z]+:cn-north-1:111122223333:", resource))
    ])
    error_message = "A policy is about another partition, region or account."
  }
  assert {
    # IAM takes 38 characters: 64 less the 26 that make it unique.
    condition     = length(aws_iam_role.function.name_prefix) == 38 && length(aws_iam_role.rule.name_prefix) <= 38
    error_message = "IAM refuses a prefix of more than 38 characters."
  }
  assert {
    condition     = length(aws_lambda_function.function.function_name) <= 64 && length(aws_sqs_queue.dead_letters.name) <= 80 && length(aws_iot_topic_rule.registered.name) <= 128
    error_message = "Lambda takes 64 characters, SQS 80 and AWS IoT 128."
  }
}

run "a_name_with_hyphens" {
  command = plan
  variables {
    name = "a-b"
  }

  assert {
    condition     = can(regex("^iot_jitr_a_b_[0-9a-f]{8}$", aws_iot_topic_rule.registered.name))
    error_message = "AWS IoT refuses a rule's name with a hyphen."
  }
  assert {
    condition     = aws_iot_topic_rule.registered.name != "iot_jitr_a_b_${substr(sha256("a_b"), 0, 8)}"
    error_message = "Two CAs named a-b and a_b would have the same rule."
  }
}

run "the_pieces_know_each_other" {
  assert {
    condition     = aws_iot_topic_rule.registered.lambda[*].function_arn == tolist([aws_lambda_function.function.arn])
    error_message = "The rule calls something else than the function."
  }
  assert {
    condition = (
      aws_iot_topic_rule.registered.error_action[0].sqs[0].queue_url == aws_sqs_queue.dead_letters.url
      && aws_iot_topic_rule.registered.error_action[0].sqs[0].role_arn == aws_iam_role.rule.arn
    )
    error_message = "What does not reach the function is not kept in the queue."
  }
  assert {
    condition     = aws_lambda_function_event_invoke_config.function.destination_config[0].on_failure[0].destination == aws_sqs_queue.dead_letters.arn
    error_message = "What the function could not do is not kept in the queue."
  }
  assert {
    condition = (
      aws_lambda_permission.rule.principal == "iot.amazonaws.com"
      && aws_lambda_permission.rule.action == "lambda:InvokeFunction"
      && aws_lambda_permission.rule.function_name == aws_lambda_function.function.function_name
      && aws_lambda_permission.rule.source_arn == aws_iot_topic_rule.registered.arn
      && aws_lambda_permission.rule.source_account == "111122223333"
      && aws_lambda_permission.rule.statement_id_prefix == "iot-rule-"
    )
    error_message = "Somebody else than this rule may call the function."
  }
  assert {
    condition     = filebase64sha256(aws_lambda_function.function.filename) == output.source_code_hash && endswith(aws_lambda_function.function.filename, "/function.zip")
    error_message = "The function is not the module's zip file, or its hash is another."
  }
  assert {
    condition     = output.rule_arn == aws_iot_topic_rule.registered.arn && output.function_arn == aws_lambda_function.function.arn && output.policy_name == "iot-jitr-devices"
    error_message = "Something else comes out."
  }
  assert {
    condition = output.alarm_arns == [
      aws_cloudwatch_metric_alarm.dead_letters.arn,
      aws_cloudwatch_metric_alarm.undelivered.arn,
      aws_cloudwatch_metric_alarm.lost.arn,
      aws_cloudwatch_metric_alarm.throttled.arn,
      aws_cloudwatch_metric_alarm.not_called.arn,
      aws_cloudwatch_metric_alarm.refused.arn,
    ]
    error_message = "An alarm does not come out."
  }
  assert {
    condition     = output.dead_letter_queue_url == aws_sqs_queue.dead_letters.url && output.dead_letter_queue_arn == aws_sqs_queue.dead_letters.arn
    error_message = "The queue does not come out."
  }
}

run "another_ca_with_the_same_source" {
  command = plan
  variables {
    name             = "others"
    certificate_id   = "2e2b"
    certificate_mode = "DEFAULT"
  }

  assert {
    condition     = aws_lambda_function.function.source_code_hash == run.the_pieces_know_each_other.source_code_hash
    error_message = "The hash is of something else than the source."
  }
}
