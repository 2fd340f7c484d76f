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
}

variable "device_policy" {
  description = "Policy document (JSON) that the default template attaches to each device. Default: its own topics and shadow."
  type        = string
  default     = null
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
}
