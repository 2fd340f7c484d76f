variable "region" {
  description = "The region to register the CA in."
  type        = string
  default     = "eu-west-1"
}

variable "certificate_file" {
  description = "The CA's certificate, a PEM file. The private key stays with the CA's owner."
  type        = string
  default     = "root-ca.pem"
}

variable "verification_certificate_file" {
  description = "The verification certificate, a PEM file, once the CA's owner has handed it over. Default: not yet, so the CA is registered in `SNI_ONLY` mode."
  type        = string
  default     = null
}
