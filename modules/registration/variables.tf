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
    The CAs to register, by a name of your choice.

    - `request`: the CA's desired state, as JSON: the attribute of this name in the output of `modules/lookup`.
    - `certificate_id`: the certificate ID from the lookup. Destroy removes the CA with this ID.
    - `certificate_digest`: digest of the certificate from the output `certificate_digests` of the lookup. A
      name keeps its certificate: with another digest, the plan fails.
    - `revision`: the revision from the lookup. When it changes, the CA is registered or repaired.
    - `differences`: the attribute of this name from the lookup. With it, a plan warns if the CA was deleted
      outside Terraform. Default: none.
    - `template_name`: name of the provisioning template that destroy detaches from the CA. Take it from the
      template's resource: the template is then created before the CA is registered, and deleted after the CA
      is removed. Default: none.
    - `on_destroy`: what destroy does with the CA: `delete`, `deactivate` or `retain`. Default: delete a CA
      that this module registered, retain a CA that it adopted.
    - `force_destroy`: whether to delete the CA even if device certificates that it signed are registered.
  EOT
  type = map(object({
    request            = string
    certificate_id     = string
    certificate_digest = string
    revision           = string
    differences        = optional(list(string), [])
    template_name      = optional(string)
    on_destroy         = optional(string)
    force_destroy      = optional(bool, false)
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
  description = "The command that runs Python 3.10 or later with boto3 and cryptography, as a list of words. It is kept in the state: destroy uses it too."
  type        = list(string)
  default     = ["python3"]
  nullable    = false
}
