variable "target" {
  description = "The account and region to register in, as `modules/lookup` answers it: `account_id`, `region`, `credentials`."
  type = object({
    account_id = string
    region     = string
    credentials = optional(object({
      profile      = optional(string)
      role_arn     = optional(string)
      external_id  = optional(string)
      session_name = optional(string)
    }), {})
  })
  nullable = false
}

variable "certificate_authorities" {
  description = <<-EOT
    The CAs to register, by name: everything that `modules/lookup` was asked about, and its answers.

    - `certificate_pem`, `certificate_mode`, `status`, `auto_registration`, `template_name`,
      `verification`, `allow_mode_change`, `force_mode_change`, `tags`: as in `modules/lookup`.
    - `certificate_id`: the looked-up ID; what destroy takes out.
    - `revision`: the looked-up revision; a CA is registered or mended when it changes.
    - `on_destroy`: `delete`, `deactivate`, `retain`, or null for what fits the CA's origin.
    - `force_destroy`: delete also while certificates of the CA's devices are registered.
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
    certificate_id    = string
    revision          = string
    on_destroy        = optional(string)
    force_destroy     = optional(bool, false)
  }))
  nullable = false

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.on_destroy == null || contains(["delete", "deactivate", "retain"], coalesce(ca.on_destroy, "retain"))
    ])
    error_message = "on_destroy must be \"delete\", \"deactivate\" or \"retain\"."
  }
}

variable "python_command" {
  description = "The command that runs a Python 3.10 or later with boto3 and cryptography, as a list of words."
  type        = list(string)
  default     = ["python3"]
  nullable    = false
}
