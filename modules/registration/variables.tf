variable "target" {
  description = <<-EOT
    The account and Region to register in: `target` of `modules/lookup`.

    - `account_id`: ID of the account.
    - `region`: name of the Region.
    - `credentials`: where the program takes its AWS credentials from.
      - `profile`: name of a profile in the AWS configuration files.
      - `role_arn`: role to assume, with the credentials of the profile or the environment.
      - `external_id`: external ID that the role requires.
      - `session_name`: name of the session, as CloudTrail shows it.
  EOT
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
    The CAs to register, by name: the input of `modules/lookup`, and its results.

    - `certificate_pem`: the CA's certificate, as PEM text.
    - `certificate_mode`: `SNI_ONLY` or `DEFAULT`.
    - `status`: `ACTIVE` or `INACTIVE`.
    - `auto_registration`: whether an unknown device certificate of this CA is registered when the
      device first connects.
    - `template_name`: name of the provisioning template attached to the CA. Default: none.
    - `verification`: proof of ownership in `DEFAULT` mode, if the CA is not registered in this mode
      yet: exactly one of its attributes, and `ca_private_key_passphrase_env` if the key is encrypted.
      - `certificate_pem`: a verification certificate.
      - `ca_private_key_file`: path of the CA's private key.
      - `ca_private_key_secret_arn`: ARN of a secret whose value is the CA's private key.
      - `ca_private_key_passphrase_env`: name of the environment variable with the passphrase.
      - `kms_key_id`: ID, ARN or alias of the key in AWS KMS that is the CA's key.
      - `acm_pca_arn`: ARN of the CA in AWS Private CA.
    - `allow_mode_change`: whether a CA that is registered in the other mode is deleted and registered
      again.
    - `force_mode_change`: change the mode even if a rollback is not possible.
    - `tags`: tags of the CA.
    - `certificate_id`: `certificate_id` of the lookup: the CA that destroy deregisters.
    - `revision`: `revision` of the lookup: the CA is registered or repaired when it changes.
    - `on_destroy`: `delete`, `deactivate` or `retain`. Default: delete what was registered, retain
      what was adopted.
    - `force_destroy`: delete the CA even if certificates of its devices are registered.
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
