variable "roles" {
  description = "The role to assume in each account, an ARN. It must trust the credentials that Terraform runs with."
  type = object({
    production  = string
    staging     = string
    development = string
  })
  nullable = false

  default = {
    production  = "arn:aws:iam::111111111111:role/terraform"
    staging     = "arn:aws:iam::222222222222:role/terraform"
    development = "arn:aws:iam::333333333333:role/terraform"
  }
}

variable "certificate_file" {
  description = "The CA's certificate, a PEM file; the same one for all accounts. Never the private key."
  type        = string
  default     = "root-ca.pem"
}

variable "private_key_file" {
  description = "The CA's private key, to prove ownership in `DEFAULT` mode. It is read when the CA is registered, and its content is stored nowhere."
  type        = string
  default     = "root-ca.key"
}
