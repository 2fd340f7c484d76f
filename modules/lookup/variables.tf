variable "certificate_authorities" {
  description = <<-EOT
    The CAs to look up, by a name of your choosing, each as it should be. What AWS has is compared
    with this; nothing is written.

    - `certificate_pem`: the CA's certificate, as PEM text.
    - `certificate_mode`: `SNI_ONLY` or `DEFAULT`.
    - `status`: `ACTIVE` or `INACTIVE`.
    - `auto_registration`: whether unknown device certificates of this CA are registered.
    - `template_name`: name of the provisioning template attached to the CA; null for none.
    - `verification`: how ownership is proved in `DEFAULT` mode, where the CA is not registered so yet:
      one of `certificate_pem`, `ca_private_key_file`, `ca_private_key_secret_arn` (both with
      `ca_private_key_passphrase_env` if the key is encrypted), `kms_key_id` and `acm_pca_arn`.
    - `allow_mode_change`: whether a CA that is registered in the other mode may be deleted and
      registered again; otherwise looking it up fails. `force_mode_change`: also without a way back.
    - `tags`: tags that the CA should carry.
  EOT
  type = map(object({
    certificate_pem   = string
    certificate_mode  = optional(string, "SNI_ONLY")
    status            = optional(string, "ACTIVE")
    auto_registration = optional(bool, true)
    template_name     = optional(string)
    verification = optional(object({
      certificate_pem               = optional(string)
      ca_private_key_file           = optional(string)
      ca_private_key_secret_arn     = optional(string)
      ca_private_key_passphrase_env = optional(string)
      kms_key_id                    = optional(string)
      acm_pca_arn                   = optional(string)
    }))
    allow_mode_change = optional(bool, false)
    force_mode_change = optional(bool, false)
    tags              = optional(map(string), {})
  }))
  nullable = false

  validation {
    # AWS allows 50 tags on a CA; four are the module's own.
    condition     = alltrue([for ca in values(var.certificate_authorities) : length(ca.tags) <= 46])
    error_message = "A CA can carry at most 46 tags, those of the whole module included."
  }

  validation {
    condition = alltrue([
      for key in flatten([for ca in values(var.certificate_authorities) : keys(ca.tags)]) :
      !startswith(key, "iot-ca:") && !startswith(lower(key), "aws:")
    ])
    error_message = "Tag keys must not begin with \"iot-ca:\" (this module's own) or \"aws:\" (AWS's own)."
  }

  validation {
    condition = alltrue(flatten([
      for ca in values(var.certificate_authorities) : [
        for key, value in ca.tags :
        # Lengths apart: counted in the pattern they made the plan of 50 CAs a second longer.
        length(key) >= 1 && length(key) <= 128 && length(value) <= 256
        && can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", key)) && can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", value))
      ]
    ]))
    error_message = "Tags of a CA take letters, digits, spaces and _ . : / = + - @, up to 128 characters in a key and 256 in a value."
  }
}

variable "credentials" {
  description = "Where the program takes its AWS credentials from: `profile`, `role_arn`, `external_id`, `session_name`, all optional. By default the environment, as the AWS CLI does."
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
  description = "The command that runs a Python 3.10 or later with boto3 and cryptography, as a list of words."
  type        = list(string)
  default     = ["python3"]
  nullable    = false
}
