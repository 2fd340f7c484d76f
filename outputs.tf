output "certificate_authorities" {
  description = <<-EOT
    Each CA by its name in the input, as it is once this configuration is applied:

    - `certificate_id`: the certificate ID in AWS IoT, which is the fingerprint (lowercase hex SHA-256
      of the DER). The same in every account and Region.
    - `certificate_arn`: ARN of the CA certificate in this account and Region.
    - `certificate_mode`: `SNI_ONLY` or `DEFAULT`.
    - `status`: `ACTIVE` or `INACTIVE`.
    - `auto_registration_status`: `ENABLE` or `DISABLE`, as the AWS IoT API returns it.
    - `not_before`, `not_after`: the certificate's validity, RFC 3339 in UTC.
    - `provisioning_template_name`, `provisioning_template_arn`: name and ARN of the CA's provisioning
      template; null if it has none.
  EOT
  value = {
    for name in keys(local.certificate_authorities) : name => {
      certificate_id             = module.lookup.certificate_authorities[name].certificate_id
      certificate_arn            = module.lookup.certificate_authorities[name].certificate_arn
      certificate_mode           = module.lookup.certificate_authorities[name].certificate_mode
      status                     = module.lookup.certificate_authorities[name].status
      auto_registration_status   = module.lookup.certificate_authorities[name].auto_registration_status
      not_before                 = module.lookup.certificate_authorities[name].not_before
      not_after                  = module.lookup.certificate_authorities[name].not_after
      provisioning_template_name = local.template_names[name] == null ? null : module.jitp[local.template_names[name]].template_name
      provisioning_template_arn  = local.template_names[name] == null ? null : module.jitp[local.template_names[name]].template_arn
    }
  }

  # The CA is registered before another resource uses its ID.
  depends_on = [module.registration]
}

output "jitp_alarm_arns" {
  description = "ARNs of the alarms of JITP; empty without `jitp_alarms`."
  value       = flatten(module.jitp_alarms[*].alarm_arns)
}

output "jitr" {
  description = <<-EOT
    The resources that answer AWS IoT's events, for each CA with JITR by its name:

    - `function_name`, `log_group_name`: the function that provisions its devices, and where it logs.
    - `rule_name`: the topic rule that calls it.
    - `policy_name`: the policy that each device gets.
    - `role_arn`: the function's role. A hook in another account must allow this role to call it.
    - `dead_letter_queue_url`, `dead_letter_queue_arn`: the queue with the events that failed for good.
    - `alarm_arns`: the alarms that go off when a device was refused for good, or its event failed for
      good, was not kept, or got lost.
  EOT
  value = {
    for name, jitr in module.jitr : name => {
      function_name         = jitr.function_name
      log_group_name        = jitr.log_group_name
      rule_name             = jitr.rule_name
      policy_name           = jitr.policy_name
      dead_letter_queue_url = jitr.dead_letter_queue_url
      dead_letter_queue_arn = jitr.dead_letter_queue_arn
      role_arn              = jitr.role_arn
      alarm_arns            = jitr.alarm_arns
    }
  }
}
