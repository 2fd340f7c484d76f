variable "account_id" {
  description = "ID of the account that the aws provider works in."
  type        = string
  nullable    = false
}

variable "region" {
  description = "Name of the Region that the aws provider works in."
  type        = string
  nullable    = false
}

variable "certificate_digests" {
  description = "A digest of each CA's certificate, by the CA's name: `certificate_digests` of `modules/lookup`."
  type        = map(string)
  nullable    = false
}
