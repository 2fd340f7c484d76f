variable "name" {
  description = "Name of the resources for the CA: the names of function, rule, policy, queue and so on begin with `iot-jitr-` and end with it. Must be unique in the account and Region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,36}$", var.name))
    error_message = "name must have 1 to 36 letters, digits, \"_\" and \"-\"."
  }
}

variable "certificate_id" {
  description = "ID of the CA certificate whose devices are provisioned."
  type        = string
  nullable    = false
}

variable "certificate_arn" {
  description = "ARN of that CA certificate."
  type        = string
  nullable    = false
}

variable "certificate_mode" {
  description = "Mode of that CA certificate, `SNI_ONLY` or `DEFAULT`."
  type        = string
  nullable    = false
}

variable "device_policy" {
  description = "Policy document (JSON) that is attached to each device. Default: its own topics and shadow."
  type        = string
  default     = null

  validation {
    # AWS IoT developer guide, "AWS IoT Core policies", and IAM user guide: one statement, or a list of them.
    condition = var.device_policy == null || try(
      length(jsondecode(var.device_policy).Statement[*]) > 0 && alltrue([
        for statement in jsondecode(var.device_policy).Statement[*] :
        contains(["Allow", "Deny"], statement.Effect) && length([statement.Action, statement.Resource]) == 2
      ]), false
    )
    error_message = "device_policy must be a policy document in JSON with at least one Statement, each with the Effect Allow or Deny, Action and Resource."
  }

  validation {
    # API reference of AWS IoT, CreatePolicy.
    condition     = length(replace(try(coalesce(var.device_policy), ""), "/\\s/", "")) <= 2048
    error_message = "device_policy is longer than the 2,048 characters without white space that AWS IoT allows."
  }
}

variable "thing_type_name" {
  description = "Type of the things that the function creates, which must exist. More than one of `subject_attributes` needs it, because a thing without a type has room for three attributes. Default: none."
  type        = string
  default     = null

  validation {
    condition     = var.thing_type_name == null || can(regex("^[0-9A-Za-z:_-]{1,128}$", var.thing_type_name))
    error_message = "thing_type_name must have 1 to 128 letters, digits, \":\", \"_\" and \"-\"."
  }
}

variable "subject_attributes" {
  description = "Attributes of a thing in addition to `ca_certificate_id` and `ca_certificate_mode`: the attribute's name, and the field of the device certificate's subject that it is taken from (`Country`, `Organization`, `OrganizationalUnit`, `DistinguishedNameQualifier`, `StateName`, `CommonName` or `SerialNumber`). A device whose certificate lacks the field goes without the attribute. More than one needs a `thing_type_name`."
  type        = map(string)
  default     = { serial_number = "SerialNumber" }
  nullable    = false

  validation {
    condition = alltrue([
      for name in keys(var.subject_attributes) : can(regex("^[0-9A-Za-z_.,@/:#-]{1,128}$", name))
    ])
    error_message = "The name of a thing's attribute has 1 to 128 letters, digits and \"_.,@/:#-\"."
  }

  validation {
    condition = alltrue([
      for name in keys(var.subject_attributes) : !contains(["ca_certificate_id", "ca_certificate_mode"], name)
    ])
    error_message = "ca_certificate_id and ca_certificate_mode are set by this module."
  }

  validation {
    condition = alltrue([
      for field in values(var.subject_attributes) : contains([
        "Country", "Organization", "OrganizationalUnit", "DistinguishedNameQualifier", "StateName",
        "CommonName", "SerialNumber",
      ], field)
    ])
    error_message = "A field of the subject is one of Country, Organization, OrganizationalUnit, DistinguishedNameQualifier, StateName, CommonName and SerialNumber."
  }

  validation {
    condition     = length(var.subject_attributes) <= 48
    error_message = "A thing has room for 50 attributes at most, two of them this module's."
  }

  validation {
    # Lambda measures all of a function's variables as JSON, 4 KB at most, and this one is JSON in it.
    condition     = length(jsonencode(jsonencode(var.subject_attributes))) <= 3072
    error_message = "subject_attributes is too long for the function's environment, which has room for 3 KB of it: shorten the names."
  }
}

variable "hook_function_arn" {
  description = "ARN of a Lambda function that is called before a device is activated and that can refuse the device. Default: none."
  type        = string
  default     = null

  validation {
    condition     = var.hook_function_arn == null || can(regex("^arn:[a-z-]+:lambda:[a-z0-9-]+:[0-9]{12}:function:[0-9A-Za-z_-]+(:[0-9A-Za-z_$-]+)?$", var.hook_function_arn))
    error_message = "hook_function_arn must be the ARN of a Lambda function (arn:aws:lambda:eu-west-1:111122223333:function:NAME), perhaps with an alias."
  }
}

variable "on_refusal" {
  description = "Status of a device certificate that the hook refused: `INACTIVE` or `REVOKED`."
  type        = string
  default     = "INACTIVE"
  nullable    = false

  validation {
    condition     = contains(["INACTIVE", "REVOKED"], var.on_refusal)
    error_message = "on_refusal must be \"INACTIVE\" or \"REVOKED\"."
  }
}

variable "on_permanent_failure" {
  description = "Status of a device certificate whose device can never be provisioned (its subject has no common name, or one that cannot be a thing's name): `INACTIVE`, or `KEEP` for the status that it has. With `KEEP`, AWS IoT sends the event again at each connection of the device."
  type        = string
  default     = "INACTIVE"
  nullable    = false

  validation {
    condition     = contains(["INACTIVE", "KEEP"], var.on_permanent_failure)
    error_message = "on_permanent_failure must be \"INACTIVE\" or \"KEEP\"."
  }
}

variable "alarm_actions" {
  description = "ARNs of the alarms' actions, such as an SNS topic, for devices that were refused and events that failed for good. The module creates the alarms in any case."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.alarm_actions : startswith(arn, "arn:")])
    error_message = "alarm_actions must be ARNs."
  }
}

variable "log_retention_days" {
  description = "How many days CloudWatch keeps the function's log."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition = contains([
      1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
    ], var.log_retention_days)
    error_message = "log_retention_days must be a number of days that CloudWatch takes, such as 30, 90 or 365."
  }
}

variable "reserved_concurrency" {
  description = "How many devices are provisioned at once at most, taken from what the account may run; the others wait, up to six hours. AWS IoT takes ten of each of a device's calls a second, which five runs of half a second use up; more of them would only be throttled. `-1`: as many as the account may run, without a reservation."
  type        = number
  default     = 5
  nullable    = false

  validation {
    condition     = var.reserved_concurrency == -1 || var.reserved_concurrency >= 1
    error_message = "reserved_concurrency must be at least 1 (with 0 no device would ever be provisioned), or -1 for no reservation."
  }
}

variable "runtime" {
  description = "The Python that Lambda runs the function with."
  type        = string
  default     = "python3.12"
  nullable    = false

  validation {
    condition     = can(regex("^python3\\.(1[2-9]|[2-9][0-9])$", var.runtime))
    error_message = "runtime must be \"python3.12\" or a later one."
  }
}

variable "kms_key_arn" {
  description = "ARN of the KMS key of your own that encrypts the function's log, its environment and the dead letters. The key's policy must allow CloudWatch Logs to use the key. Default: keys that AWS owns."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$", var.kms_key_arn))
    error_message = "kms_key_arn must be the ARN of a key (arn:aws:kms:eu-west-1:111122223333:key/ID), not of an alias."
  }
}

variable "xray_tracing" {
  description = "Whether AWS X-Ray traces the function's runs."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the IAM policy that limits the permissions of the two roles that the module creates. Default: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy (arn:aws:iam::111122223333:policy/NAME)."
  }
}

variable "tags" {
  description = "Tags of everything that this module creates."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : length(key) <= 127 && length(coalesce(value, "-")) <= 255])
    error_message = "AWS IoT allows 127 characters in the key of a tag and 255 in its value."
  }
}

variable "credentials" {
  description = <<-EOT
    Where the program takes its AWS credentials from that destroy runs. By default the environment, as the AWS
    CLI does.

    - `profile`: name of a profile in the AWS configuration files.
    - `role_arn`: role to assume, with the credentials of the profile or the environment.
    - `external_id`: external ID that the role requires.
    - `session_name`: name of the session, as CloudTrail shows it.
  EOT
  type = object({
    profile      = optional(string)
    role_arn     = optional(string)
    external_id  = optional(string)
    session_name = optional(string)
  })
  default  = {}
  nullable = false
}

variable "python_command" {
  description = "The command that runs Python 3.10 or later with boto3 and cryptography, as a list of words. Only destroy uses it: it is kept in the state."
  type        = list(string)
  default     = ["python3"]
  nullable    = false
}
