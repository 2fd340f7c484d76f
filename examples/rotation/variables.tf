variable "region" {
  description = "The region to register the CAs in."
  type        = string
  default     = "eu-west-1"
}

variable "certificate_authorities" {
  description = <<-EOT
    The CAs, by name. A name stands for one certificate, so a renewed CA gets a name of its own.

    - `certificate_file`: the CA's certificate, a PEM file. Never the private key.
    - `status`: `ACTIVE`, or `INACTIVE` for a CA that must not bring new devices any more.
    - `on_destroy`, `force_destroy`: how the CA leaves, see the module; to be applied before it does.
  EOT
  type = map(object({
    certificate_file = string
    status           = optional(string, "ACTIVE")
    on_destroy       = optional(string)
    force_destroy    = optional(bool, false)
  }))
  nullable = false
}

variable "expiry_warning_days" {
  description = "From how many days before a CA expires each plan warns of it."
  type        = number
  default     = 180
}

variable "tags" {
  description = "Tags of everything that is made here."
  type        = map(string)
  default     = { project = "iot" }
}
