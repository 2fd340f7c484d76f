variable "certificate_authorities" {
  description = <<-EOT
    The CAs to look up, by a name of your choosing, each in its desired state. The module compares
    this with the observed state and writes nothing.

    - `certificate_pem`: the CA's certificate, as PEM text. If the text has several certificates, only
      the first one is used. Never the private key.
    - `certificate_mode`: `SNI_ONLY` or `DEFAULT`.
    - `status`: `ACTIVE` or `INACTIVE`.
    - `auto_registration`: whether an unknown device certificate of this CA is registered when the
      device first connects. Set it to `true` if a template or a function provisions the devices.
    - `template_name`: name of the provisioning template attached to the CA. Default: none.
    - `verification`: proof of ownership in `DEFAULT` mode, if the CA is not registered in this mode
      yet: exactly one of its attributes, and `ca_private_key_passphrase_env` if the key is encrypted.
      - `certificate_pem`: a verification certificate.
      - `ca_private_key_file`: path of the CA's private key.
      - `ca_private_key_secret_arn`: ARN of a secret whose value is the CA's private key.
      - `ca_private_key_passphrase_env`: name of the environment variable with the passphrase.
      - `kms_key_id`: ID, ARN or alias of the key in AWS KMS that is the CA's key.
      - `acm_pca_arn`: ARN of the CA in AWS Private CA.
    - `allow_mode_change`: whether a CA that is registered in the other mode may be deleted and
      registered again, and is reported as drift. If `false`, the lookup fails.
    - `force_mode_change`: whether the mode may be changed even if a rollback is not possible.
    - `tags`: tags that the CA should have, in addition to `default_tags`.
  EOT
  type = map(object({
    certificate_pem   = string
    certificate_mode  = optional(string, "SNI_ONLY")
    status            = optional(string, "ACTIVE")
    auto_registration = optional(bool, false)
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
    condition = alltrue([for ca in values(var.certificate_authorities) : ca != null])
    error_message = "A CA must not be null. It is null for ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities : name if ca == null
    ])))}: give an object with certificate_pem, or leave out the name."
  }

  validation {
    condition = alltrue([for ca in values(var.certificate_authorities) : ca.certificate_pem != null if ca != null])
    error_message = "certificate_pem is required and is null for ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities : name if try(ca.certificate_pem == null, false)
    ])))}. Give the CA's certificate as PEM text, such as file(\"device-ca.pem\")."
  }

  validation {
    # As in scripts/iot_ca/ownership/proof.py: PEM, base64 of PEM, base64 or hexadecimal of DER.
    condition = alltrue([
      for ca in values(var.certificate_authorities) : !can(regex(
        "-----|\\A\\s*(?:M[C-I]|LS0t)[0-9A-Za-z+/=\\s]{60,}\\z|\\A[0-9A-Fa-f:\\s]{100,}\\z",
        try(coalesce(ca.verification.ca_private_key_file), "")
      )) if ca != null
    ])
    error_message = "verification.ca_private_key_file holds a key. Give the path of its file, and treat the key as exposed if this configuration was stored or logged."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : can(regex(
        # A key is refused above.
        "\\A[^\\x00-\\x1f\\x7f\"]*\\z|-----|\\A\\s*(?:M[C-I]|LS0t)[0-9A-Za-z+/=\\s]{60,}\\z|\\A[0-9A-Fa-f:\\s]{100,}\\z",
        try(coalesce(ca.verification.ca_private_key_file), "")
      )) if ca != null
    ])
    error_message = "verification.ca_private_key_file is not a path. It has a line break, a quotation mark or a control character: give the path of the key's file."
  }

  validation {
    # AWS allows 50 tags on a CA; four are the module's own.
    condition = alltrue([for ca in values(var.certificate_authorities) : length(ca.tags) <= 46 if ca != null])
    error_message = "A CA can carry at most 46 tags, those of the module and the provider's default_tags included. More: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities : "${name} (${length(ca.tags)})" if try(length(ca.tags) > 46, false)
    ])))}."
  }

  validation {
    condition = alltrue([
      for key in flatten([for ca in values(var.certificate_authorities) : keys(ca.tags) if ca != null]) :
      !startswith(key, "iot-ca:") && !startswith(lower(key), "aws:")
    ])
    error_message = "Tag keys must not begin with \"iot-ca:\" (this module's own) or \"aws:\" (AWS's own), in tags and in the provider's default_tags alike."
  }

  validation {
    condition = alltrue(flatten([
      for ca in values(var.certificate_authorities) : [
        for key, value in ca.tags :
        can(regex("^[\\pL\\pZ\\pN_.:/=+@-]+$", key)) && can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", value))
      ] if ca != null
    ]))
    error_message = "Tags of a CA take letters, digits, spaces and _ . : / = + - @, and a key has at least one of them."
  }

  validation {
    # AWS IoT's own limits; other services, and AWS IoT's API model, allow one character more. The lengths are not
    # part of the patterns above, where they make the plan of 50 CAs a second longer.
    condition = alltrue(flatten([
      for ca in values(var.certificate_authorities) : [
        for key, value in ca.tags : length(key) <= 127 && length(coalesce(value, "-")) <= 255
      ] if ca != null
    ]))
    error_message = "AWS IoT allows 127 characters in the key of a tag and 255 in its value. Longer: ${nonsensitive(sensitive(join(", ", flatten([
      for name, ca in var.certificate_authorities : [
        for key, value in ca.tags : "${name} (${substr(key, 0, 20)})" if length(key) > 127 || length(coalesce(value, "-")) > 255
      ] if ca != null
    ]))))}."
  }
}

variable "default_tags" {
  description = "The provider's default tags, which each CA should have in addition to its own: `data.aws_default_tags`. Of the same key, the CA's own tag counts."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for key in keys(var.default_tags) : !startswith(key, "iot-ca:") && !startswith(lower(key), "aws:")
    ])
    error_message = "Tag keys must not begin with \"iot-ca:\" (this module's own) or \"aws:\" (AWS's own), in tags and in the provider's default_tags alike."
  }

  validation {
    condition = alltrue([
      for key, value in var.default_tags :
      can(regex("^[\\pL\\pZ\\pN_.:/=+@-]+$", key)) && can(regex("^[\\pL\\pZ\\pN_.:/=+@-]*$", value))
    ])
    error_message = "Tags of a CA, the provider's default_tags among them, take letters, digits, spaces and _ . : / = + - @, and a key has at least one of them."
  }

  validation {
    condition = alltrue([for key, value in var.default_tags : length(key) <= 127 && length(value) <= 255])
    error_message = "AWS IoT allows 127 characters in the key of a tag and 255 in its value. Longer among the provider's default_tags: ${join(", ", [
      for key, value in var.default_tags : substr(key, 0, 20) if length(key) > 127 || length(value) > 255
    ])}."
  }
}

variable "region" {
  description = "Name of the Region: the provider's. With it, the lookup does not wait for the provider to start, and works in the account of the program's credentials; the plan fails unless account and Region are the provider's. Must be known in every plan, such as a literal string or a variable. Default: the provider's Region, for which the lookup waits."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the name of an AWS Region, such as \"eu-west-1\"."
  }
}

variable "credentials" {
  description = <<-EOT
    Where the program takes its AWS credentials from. By default the environment, as the AWS CLI does.

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
  description = "The command that runs a Python 3.10 or later with boto3 and cryptography, as a list of words."
  type        = list(string)
  default     = ["python3"]
  nullable    = false
}
