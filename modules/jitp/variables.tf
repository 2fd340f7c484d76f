variable "template_name" {
  description = "Name of the provisioning template: 1 to 36 letters, digits, `_` and `-`."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]{1,36}$", var.template_name))
    error_message = "template_name must have 1 to 36 letters, digits, \"_\" and \"-\"."
  }
}

variable "certificate_id" {
  description = "ID of the CA certificate whose devices the template provisions."
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

variable "template_body" {
  description = "The template as JSON. Default: thing, certificate and policy."
  type        = string
  default     = null

  validation {
    condition     = var.template_body == null || can(keys(jsondecode(var.template_body).Resources))
    error_message = "template_body must be JSON with Resources (such as jsonencode({ Parameters = {...}, Resources = {...} }))."
  }

  validation {
    # API reference of AWS IoT, CreateProvisioningTemplate.
    condition     = length(try(coalesce(var.template_body), "")) <= 10240
    error_message = "template_body is longer than the 10,240 characters that AWS IoT allows."
  }

  validation {
    # AWS IoT developer guide, "Provisioning templates".
    condition = contains(try([
      for resource in values(jsondecode(var.template_body).Resources) : try(resource.Type, "")
    ], ["AWS::IoT::Certificate"]), "AWS::IoT::Certificate")
    error_message = "template_body has no resource of type AWS::IoT::Certificate, which AWS IoT requires."
  }

  validation {
    # AWS IoT developer guide, "Provisioning templates".
    condition = alltrue([
      for resource in try(values(jsondecode(var.template_body).Resources), []) : length(setintersection(
        [for key in try(keys(resource.Properties), []) : lower(key)], ["policyname", "policydocument"]
      )) == 1 if try(resource.Type, "") == "AWS::IoT::Policy"
    ])
    error_message = "template_body has an AWS::IoT::Policy that does not have exactly one of PolicyName and PolicyDocument."
  }

  validation {
    # AWS IoT creates this policy when a device connects: what it refuses then is a device that is not provisioned.
    # AWS IoT developer guide, "Provisioning templates": the document is a string. A function can yield one.
    condition = alltrue(flatten([
      for resource in try(values(jsondecode(var.template_body).Resources), []) : [
        for key, document in try(resource.Properties, {}) :
        try(
          length(replace(document, "/\\s/", "")) <= 2048 && length(jsondecode(document).Statement[*]) > 0 && alltrue([
            for statement in jsondecode(document).Statement[*] :
            contains(["Allow", "Deny"], statement.Effect) && length([statement.Action, statement.Resource]) == 2
          ]),
          can(regex("^(Ref|Fn::.+)$", one(keys(document))))
        ) if lower(key) == "policydocument"
      ] if try(resource.Type, "") == "AWS::IoT::Policy"
    ]))
    error_message = "template_body has a PolicyDocument that is not a JSON string with statements of Effect, Action and Resource, or is longer than 2,048 characters without white space."
  }
}

variable "device_policy" {
  description = "Policy document (JSON) that the default template attaches to each device. Default: its own topics and shadow."
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

variable "role_arn" {
  description = "ARN of the role that AWS IoT assumes to provision devices. Default: the module creates one."
  type        = string
  default     = null
}

variable "create_role" {
  description = "Whether the module creates that role. Set it to `false` if `role_arn` is only known after apply. Default: `true` if `role_arn` is null."
  type        = bool
  default     = null
}

variable "require_source_account" {
  description = "Whether the role that the module creates lets AWS IoT assume it for this account only (`aws:SourceAccount`). AWS does not document that JITP sends this: if it does not, no device is provisioned. Try one device first."
  type        = bool
  default     = false
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "ARN of the IAM policy that limits the permissions of the role that the module creates. Default: none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "permissions_boundary_arn must be the ARN of an IAM policy (arn:aws:iam::111122223333:policy/NAME)."
  }
}

variable "tags" {
  description = "Tags of the template and the role."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key, value in var.tags : length(key) <= 127 && length(coalesce(value, "-")) <= 255])
    error_message = "AWS IoT allows 127 characters in the key of a tag and 255 in its value."
  }
}
