locals {
  template_names = {
    for name, ca in var.certificate_authorities :
    name => ca.provisioning.type == "JITP" ? coalesce(ca.provisioning.template_name, name) : null
  }

  # Each CA as it shall be, in the words of the program.
  certificate_authorities = {
    for name, ca in var.certificate_authorities : name => {
      certificate_pem   = ca.certificate_pem
      certificate_mode  = ca.certificate_mode
      status            = ca.status
      auto_registration = ca.auto_registration
      template_name     = local.template_names[name]
      verification      = ca.verification
      tags              = merge(var.tags, ca.tags)
    }
  }
}

module "lookup" {
  source = "./modules/lookup"

  certificate_authorities = local.certificate_authorities
  credentials             = var.credentials
  python_command          = var.python_command
}

# By the template's name, not the CA's: a template that passes to another CA is updated in place.
module "jitp" {
  source   = "./modules/jitp"
  for_each = { for name, template in local.template_names : template => name if template != null }

  template_name    = each.key
  certificate_arn  = module.lookup.certificate_authorities[each.value].certificate_arn
  certificate_id   = module.lookup.certificate_authorities[each.value].certificate_id
  certificate_mode = module.lookup.certificate_authorities[each.value].certificate_mode
  template_body    = var.certificate_authorities[each.value].provisioning.template_body
  device_policy    = var.certificate_authorities[each.value].provisioning.device_policy
  role_arn         = var.certificate_authorities[each.value].provisioning.role_arn
  create_role      = var.certificate_authorities[each.value].provisioning.create_role
  tags             = local.certificate_authorities[each.value].tags
}

module "registration" {
  source = "./modules/registration"

  target = module.lookup.target
  certificate_authorities = {
    for name, ca in local.certificate_authorities : name => merge(ca, {
      certificate_id = module.lookup.certificate_authorities[name].certificate_id
      revision       = module.lookup.certificate_authorities[name].revision
      on_destroy     = var.certificate_authorities[name].on_destroy
      # By way of the template itself: it must be there before a device can meet the CA.
      template_name = ca.template_name == null ? null : module.jitp[ca.template_name].template_name
    })
  }
  python_command = var.python_command
}

check "just_in_time_provisioning" {
  assert {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.provisioning.type != "JITP" || ca.auto_registration
    ])
    error_message = "JITP needs auto_registration = true: no new device of ${join(", ", [
      for name, ca in var.certificate_authorities : name if ca.provisioning.type == "JITP" && !ca.auto_registration
    ])} is provisioned until then."
  }
}

locals {
  # Each time in the parts that it is written in. What is none, in a mock, breaks no plan.
  times = {
    for time in distinct(concat([plantimestamp()], [for ca in values(module.lookup.certificate_authorities) : ca.not_after])) :
    time => regex("^(?P<year>\\d+)-(?P<month>\\d+)-(?P<day>\\d+)T(?P<hour>\\d+):(?P<minute>\\d+):(?P<second>\\d+)Z$", time)
    if can(timeadd(time, "0s"))
  }

  # Each time in seconds, for Terraform can't subtract one time from another. Counted in years that
  # begin in March: their leap day, if they have one, comes last.
  seconds = {
    for time, t in local.times : time => sum([
      for months in [12 * t.year + t.month - 3] : 86400 * (
        365 * floor(months / 12) + floor(months / 48) - floor(months / 1200) + floor(months / 4800)
        + floor((153 * (months % 12) + 2) / 5) + t.day
      ) + 3600 * t.hour + 60 * t.minute + t.second
    ])
  }

  seconds_left = {
    for name, ca in module.lookup.certificate_authorities :
    name => local.seconds[ca.not_after] - local.seconds[plantimestamp()]
    if can(local.seconds[ca.not_after])
  }

  # Not those that have expired: the lookup warns of them.
  expiring = {
    for name, left in local.seconds_left : name => floor(left / 86400)
    if left > 0 && left <= 86400 * var.expiry_warning_days
  }
}

# Time goes by without a change, so it may show in a warning and nowhere else.
check "ca_expiring" {
  assert {
    condition = length(local.expiring) == 0
    error_message = join("\n", [
      for name, days in local.expiring : join(" ", [
        "${name} (account ${module.lookup.target.account_id}, ${module.lookup.target.region})",
        "expires at ${module.lookup.certificate_authorities[name].not_after}, days left: ${days}.",
        var.certificate_authorities[name].status == "ACTIVE"
        ? "Register its successor beside it, under a name of its own, and renew the devices' certificates:"
        : "It is INACTIVE already: remove it once its devices have certificates of its successor:",
        "see \"Rotation\" in the module's README.",
      ])
    ])
  }
}
