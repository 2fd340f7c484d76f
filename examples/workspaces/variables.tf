variable "accounts" {
  description = <<-EOT
    The AWS accounts, by the name of their workspace.

    - `account_id`: twelve digits; credentials of any other account are refused.
    - `region`: the region to register the CA in.
    - `certificate_mode`: `SNI_ONLY`, or `DEFAULT` in at most one of the accounts of a region.
    - `profile`: profile of the AWS configuration files to use. Default: the environment.
    - `role_arn`: role to assume. Default: none.
  EOT
  type = map(object({
    account_id       = string
    region           = optional(string, "eu-west-1")
    certificate_mode = optional(string, "SNI_ONLY")
    profile          = optional(string)
    role_arn         = optional(string)
  }))
  nullable = false

  default = {
    # Devices in the field that don't send SNI connect here.
    production  = { account_id = "111111111111", certificate_mode = "DEFAULT" }
    staging     = { account_id = "222222222222" }
    development = { account_id = "333333333333" }
  }
}

variable "certificate_file" {
  description = "The CA's certificate, a PEM file; the same one for all accounts. Never the private key."
  type        = string
  default     = "root-ca.pem"
}

variable "private_key_file" {
  description = "The CA's private key, to prove ownership in `DEFAULT` mode. It is read when the CA is registered, and its content is stored nowhere. Not needed elsewhere, nor afterwards."
  type        = string
  default     = "root-ca.key"
}
