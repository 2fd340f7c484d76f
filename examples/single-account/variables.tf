variable "region" {
  description = "The region to register the CAs in."
  type        = string
  default     = "eu-west-1"
}

variable "certificate_file" {
  description = "The CA's certificate, a PEM file. Never the private key."
  type        = string
  default     = "root-ca.pem"
}

variable "default_mode" {
  description = <<-EOT
    CAs to register in `DEFAULT` mode, by name. None by default.

    - `certificate_file`: the CA's certificate, a PEM file.
    - `private_key_file`: the CA's private key. It is read when the CA is registered, to prove
      ownership, and its content is stored nowhere.
  EOT
  type = map(object({
    certificate_file = string
    private_key_file = string
  }))
  default  = {}
  nullable = false
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = { project = "iot" }
}
