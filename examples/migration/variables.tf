variable "region" {
  description = "The region that the CAs are registered in."
  type        = string
  default     = "eu-west-1"
}

variable "on_destroy" {
  description = "What happens to the CAs when they leave the module. None of them may go by accident while they move."
  type        = string
  default     = "retain"
}

variable "certificates_folder" {
  description = "The folder with the CAs' certificates, PEM files. Never the private keys."
  type        = string
  default     = "."
}
