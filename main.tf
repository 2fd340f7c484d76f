data "aws_default_tags" "current" {}

locals {
  certificate_authorities = {
    # A map that is sensitive as a whole, as when it is made of a secret's JSON, can't be used in for_each. Nothing
    # in it is secret. Before Terraform 1.8, nonsensitive() refuses a value that is not sensitive.
    for name, ca in nonsensitive(sensitive(var.certificate_authorities)) : name => merge(ca, {
      auto_registration = coalesce(ca.auto_registration, ca.provisioning.type != "NONE")
      tags              = merge(var.tags, ca.tags)
    })
  }

  template_names = {
    for name, ca in local.certificate_authorities :
    name => ca.provisioning.type == "JITP" ? coalesce(ca.provisioning.template_name, name) : null
  }

  # The desired state of each CA. The type of the lookup's input leaves out what the program does not need.
  desired_certificate_authorities = {
    for name, ca in local.certificate_authorities : name => merge(ca, {
      template_name = local.template_names[name]
    })
  }
}

module "lookup" {
  source = "./modules/lookup"

  certificate_authorities = local.desired_certificate_authorities
  # The provider adds its default tags to its own resources, and a CA is not one. Not as tags of the CAs, for which
  # the lookup would wait for the provider.
  default_tags   = data.aws_default_tags.current.tags
  region         = var.region
  credentials    = var.credentials
  python_command = var.python_command
}

# The provisioning resources and the registration take each CA's name or digest from it: nothing is changed
# before the state turns out to be that of this account, Region and certificate.
module "identity" {
  source = "./modules/_identity"

  account_id          = module.lookup.target.account_id
  region              = module.lookup.target.region
  certificate_digests = module.lookup.certificate_digests
}

# The key is the template's name, not the CA's: a template that passes to another CA is updated in place.
module "jitp" {
  source   = "./modules/jitp"
  for_each = { for name, template in local.template_names : template => name if template != null }

  template_name            = coalesce(local.certificate_authorities[each.value].provisioning.template_name, module.identity.names[each.value])
  certificate_arn          = module.lookup.certificate_authorities[each.value].certificate_arn
  certificate_id           = module.lookup.certificate_authorities[each.value].certificate_id
  certificate_mode         = module.lookup.certificate_authorities[each.value].certificate_mode
  template_body            = local.certificate_authorities[each.value].provisioning.template_body
  device_policy            = local.certificate_authorities[each.value].provisioning.device_policy
  role_arn                 = local.certificate_authorities[each.value].provisioning.role_arn
  create_role              = local.certificate_authorities[each.value].provisioning.create_role
  require_source_account   = local.certificate_authorities[each.value].provisioning.require_source_account
  permissions_boundary_arn = local.certificate_authorities[each.value].provisioning.permissions_boundary_arn
  tags                     = local.certificate_authorities[each.value].tags
}

# Once for all CAs: AWS IoT's metrics do not say which CA a device is of.
module "jitp_alarms" {
  source = "./modules/jitp-alarms"
  count  = var.jitp_alarms == null ? 0 : 1

  alarm_actions = var.jitp_alarms.alarm_actions
  tags          = var.tags
}

# The key is the CA's name, which names the resources too: they never pass to another CA.
module "jitr" {
  source   = "./modules/jitr"
  for_each = { for name, ca in local.certificate_authorities : name => ca if ca.provisioning.type == "JITR" }

  name                     = module.identity.names[each.key]
  certificate_arn          = module.lookup.certificate_authorities[each.key].certificate_arn
  certificate_id           = module.lookup.certificate_authorities[each.key].certificate_id
  certificate_mode         = module.lookup.certificate_authorities[each.key].certificate_mode
  device_policy            = each.value.provisioning.device_policy
  thing_type_name          = each.value.provisioning.thing_type_name
  subject_attributes       = each.value.provisioning.subject_attributes
  hook_function_arn        = each.value.provisioning.hook_function_arn
  on_refusal               = each.value.provisioning.on_refusal
  on_permanent_failure     = each.value.provisioning.on_permanent_failure
  alarm_actions            = each.value.provisioning.alarm_actions
  log_retention_days       = each.value.provisioning.log_retention_days
  reserved_concurrency     = each.value.provisioning.reserved_concurrency
  runtime                  = each.value.provisioning.runtime
  kms_key_arn              = each.value.provisioning.kms_key_arn
  xray_tracing             = each.value.provisioning.xray_tracing
  permissions_boundary_arn = each.value.provisioning.permissions_boundary_arn
  tags                     = each.value.tags
  credentials              = var.credentials
  python_command           = var.python_command
}

module "registration" {
  source = "./modules/registration"

  target = module.lookup.target
  certificate_authorities = {
    for name, ca in local.certificate_authorities : name => {
      request            = module.lookup.certificate_authorities[name].request
      certificate_id     = module.lookup.certificate_authorities[name].certificate_id
      certificate_digest = module.identity.certificate_digests[name]
      revision           = module.lookup.certificate_authorities[name].revision
      differences        = module.lookup.certificate_authorities[name].differences
      on_destroy         = ca.on_destroy
      force_destroy      = ca.force_destroy
      # From the template, which must exist before a device can connect with a certificate of the CA.
      template_name = local.template_names[name] == null ? null : module.jitp[local.template_names[name]].template_name
    }
  }
  python_command = var.python_command

  # A device must not connect before the function that answers the CA's events exists.
  depends_on = [module.jitr]
}

check "just_in_time_provisioning" {
  assert {
    condition = alltrue([
      for ca in values(local.certificate_authorities) : ca.provisioning.type == "NONE" || ca.auto_registration
    ])
    error_message = "JITP and JITR need auto_registration = true: no new device of ${join(", ", [
      for name, ca in local.certificate_authorities : name if ca.provisioning.type != "NONE" && !ca.auto_registration
    ])} is provisioned until then."
  }
}

locals {
  # Without CAs that have expired: the lookup warns of those. A mock may answer a text that is not a time.
  expiring_names = [
    for name, ca in module.lookup.certificate_authorities : name if try(
      timecmp(ca.not_after, plantimestamp()) > 0
      && timecmp(ca.not_after, timeadd(plantimestamp(), "${24 * var.expiry_warning_days}h")) <= 0,
      false
    )
  ]
}

# Only a warning: a value that depends on the time of the plan would be a change in every plan.
check "ca_expiring" {
  assert {
    condition = length(local.expiring_names) == 0
    error_message = join("\n", [
      for name in local.expiring_names : join(" ", [
        "${name} (account ${module.lookup.target.account_id}, ${module.lookup.target.region})",
        "expires at ${module.lookup.certificate_authorities[name].not_after}.",
        local.certificate_authorities[name].status == "ACTIVE"
        ? "Register its successor under a name of its own, and renew the devices' certificates"
        : "It is INACTIVE: remove it when its devices have certificates of its successor",
        "(docs/rotation.md).",
      ])
    ])
  }
}

locals {
  # CAs with a template that AWS has and this plan creates, so that AWS would refuse to create it: the state lacks it or
  # has it as tainted, which nothing in a configuration can tell. (A mock may answer less.)
  templates_to_import = [
    for name, template in local.template_names : name
    if try(module.lookup.certificate_authorities[name].template_exists && module.jitp[template].is_created, false)
  ]

  template_addresses = {
    for name in local.templates_to_import : name => join("", [
      "'${module.lookup.certificate_authorities[name].address_prefix}module.jitp",
      "[\"${local.template_names[name]}\"].aws_iot_provisioning_template.provisioning'",
    ])
  }
}

check "provisioning_templates" {
  assert {
    condition = length(local.templates_to_import) == 0
    error_message = join("\n", flatten([
      for name in local.templates_to_import : [
        join(" ", [
          "${name} (account ${module.lookup.target.account_id}, ${module.lookup.target.region}):",
          "this plan creates the provisioning template ${local.template_names[name]}, which exists in AWS:",
          "untaint it if it is tainted, import it if the state lacks it, or rename it.",
        ]),
        # Indented, so that Terraform does not wrap the lines.
        "  terraform untaint ${local.template_addresses[name]}",
        "  terraform import ${local.template_addresses[name]} ${local.template_names[name]}",
      ]
    ]))
  }
}
