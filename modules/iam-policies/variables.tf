variable "account_id" {
  description = "ID of the AWS account that the CAs are registered in."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must have twelve digits."
  }
}

variable "partition" {
  description = "Partition of the account, as ARNs spell it: `aws`, `aws-cn`, `aws-us-gov` and so on."
  type        = string
  default     = "aws"
  nullable    = false

  validation {
    condition     = can(regex("^aws(-[a-z]+)*$", var.partition))
    error_message = "partition must be one of AWS, such as \"aws\", \"aws-cn\" or \"aws-us-gov\"."
  }
}

variable "regions" {
  description = "Regions that the CAs are registered in."
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.regions) > 0
    error_message = "regions must name one at least."
  }

  validation {
    condition     = alltrue([for region in var.regions : can(regex("^[a-z]+(-[a-z]+)+-[0-9]+$", region))])
    error_message = "A region is written like \"eu-west-1\"."
  }
}

variable "certificate_ids" {
  description = <<-EOT
    IDs of the CA certificates. An ID is the lowercase hex SHA-256 of the certificate's DER, so it is
    known before the CA is registered anywhere:
    `openssl x509 -in device-ca.pem -outform der | openssl dgst -sha256 -r`. Terraform has it from a file
    in DER (`filesha256("device-ca.der")`), or from `certificate_id` in the outputs of the root module and
    of `modules/lookup`.
  EOT
  type        = set(string)
  nullable    = false

  validation {
    condition     = length(var.certificate_ids) > 0
    error_message = "certificate_ids must name one at least."
  }

  validation {
    condition     = alltrue([for id in var.certificate_ids : can(regex("^[0-9a-f]{64}$", id))])
    error_message = "A certificate ID has 64 lowercase hexadecimal digits (openssl x509 -in device-ca.pem -outform der | openssl dgst -sha256 -r)."
  }
}

variable "default_mode" {
  description = "Whether a CA is or will be in `DEFAULT` mode, which needs the registration code."
  type        = bool
  default     = false
  nullable    = false
}

variable "kms_key_arns" {
  description = "ARNs of the keys behind `verification.kms_key_id`, in any account. Not the ARNs of aliases: policies cannot name these."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$", arn))])
    error_message = "kms_key_arns must be ARNs of keys (arn:aws:kms:eu-west-1:111122223333:key/ID), not of aliases."
  }
}

variable "secret_arns" {
  description = "ARNs of the secrets behind `verification.ca_private_key_secret_arn`, in any account. Only `apply_json` has the permission to read them."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secret_arns : can(regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^-].*$", arn))])
    error_message = "secret_arns must be ARNs of secrets (arn:aws:secretsmanager:eu-west-1:111122223333:secret:NAME)."
  }
}

variable "secret_kms_key_arns" {
  description = "ARNs of the KMS keys that the secrets are encrypted with, unless these are the accounts' `aws/secretsmanager`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.secret_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$", arn))])
    error_message = "secret_kms_key_arns must be ARNs of keys (arn:aws:kms:eu-west-1:111122223333:key/ID), not of aliases."
  }
}

variable "acm_pca_arns" {
  description = "ARNs of the private CAs behind `verification.acm_pca_arn`, in any account."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.acm_pca_arns : can(regex("^arn:[a-z-]+:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/[0-9A-Za-z-]+$", arn))])
    error_message = "acm_pca_arns must be ARNs of private CAs (arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/ID)."
  }
}

variable "mode_change" {
  description = "Whether a CA may be moved from one mode to the other (`allow_mode_change`). A change keeps its snapshot in a thing group."
  type        = bool
  default     = false
  nullable    = false
}

variable "deletion" {
  description = "Whether a CA may be deleted. Without it, `on_destroy` must be `deactivate` or `retain`. A change of mode deletes in any case."
  type        = bool
  default     = true
  nullable    = false
}

variable "device_check" {
  description = "Whether a CA may be deleted without `force_destroy`, which lists the certificates of its devices. IAM can't limit this to the CA."
  type        = bool
  default     = true
  nullable    = false
}

variable "quota_check" {
  description = "Whether an apply that exceeds the quota of CAs with the same subject may read all CAs of the account in these Regions, to name the ones with that subject."
  type        = bool
  default     = false
  nullable    = false
}

variable "jitp_template_names" {
  description = "Names of the JITP templates: `provisioning.template_name`, or the names of the CAs in the map if that is not set. `*` stands for any characters. Empty: no JITP."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.jitp_template_names : can(regex("^[0-9A-Za-z_*-]{1,36}$", name))])
    error_message = "A template's name has 1 to 36 letters, digits, \"_\" and \"-\", with \"*\" for any."
  }
}

variable "jitp_role_arns" {
  description = "ARNs of the roles behind `provisioning.role_arn`, and of those in the registration of a CA that is adopted with a template body of its own. They can be passed to AWS IoT only."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.jitp_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "jitp_role_arns must be ARNs of roles (arn:aws:iam::111122223333:role/NAME)."
  }
}

variable "jitp_create_roles" {
  description = "Whether a role may be created for a template, which happens if `provisioning.role_arn` is not set."
  type        = bool
  default     = true
  nullable    = false
}

variable "jitp_alarms" {
  description = "Whether the alarms of JITP may be created (`jitp_alarms`, or `modules/jitp-alarms`)."
  type        = bool
  default     = false
  nullable    = false
}

variable "jitr_names" {
  description = "Names of the resources of JITR: `name` of `modules/jitr`. `*` stands for any characters. Empty: no JITR."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for name in var.jitr_names : can(regex("^[0-9A-Za-z_*-]{1,36}$", name))])
    error_message = "A name has 1 to 36 letters, digits, \"_\" and \"-\", with \"*\" for any."
  }
}

variable "jitr_kms_key_arns" {
  description = "ARNs of the KMS keys behind `provisioning.kms_key_arn`. A plan, `status` and `diagnose` read the function's environment, which takes `kms:Decrypt`."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.jitr_kms_key_arns : can(regex("^arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[0-9A-Za-z-]+$", arn))])
    error_message = "jitr_kms_key_arns must be ARNs of keys (arn:aws:kms:eu-west-1:111122223333:key/ID), not of aliases."
  }
}

variable "assume_role_arns" {
  description = "ARNs of roles to assume (`credentials.role_arn`, or the aws provider's), if the policies are for the caller that assumes them. The roles themselves need policies of their own."
  type        = set(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for arn in var.assume_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", arn))])
    error_message = "assume_role_arns must be ARNs of roles (arn:aws:iam::111122223333:role/NAME)."
  }
}
