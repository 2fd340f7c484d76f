variable "iot_arn_prefix" {
  description = "Start of the ARNs of AWS IoT in the account and Region: `arn:PARTITION:iot:REGION:ACCOUNT`."
  type        = string
  nullable    = false
}

variable "device_policy" {
  description = "Policy document (JSON) to use instead of the default."
  type        = string
  default     = null
}
