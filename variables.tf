variable "certificate_authorities" {
  description = <<-EOT
    The certificate authorities (CAs) that this module registers with AWS IoT Core in this account
    and Region, by a name of your choosing. The name appears in messages and in Terraform's addresses,
    and is the default name of the CA's provisioning template.

    - `certificate_pem`: the CA's certificate, as PEM text (`file("device-ca.pem")`). If the text has
      several certificates, only the first one is used. Never the private key.
    - `certificate_mode`: `SNI_ONLY` (any number of accounts, no proof of ownership, devices must
      send SNI) or `DEFAULT` (one account per Region, needs `verification`).
    - `status`: `ACTIVE` or `INACTIVE`. New devices can only be provisioned under an active CA.
    - `auto_registration`: whether an unknown device certificate of this CA is registered when the
      device first connects. Set it if something of your own answers AWS IoT's events. Default: `true`
      with JITP and JITR, which need it; `false` with `NONE`, where such a certificate would wait as
      `PENDING_ACTIVATION`.
    - `provisioning`: what happens when a device connects for the first time.
      - `type`: `JITP` (the module creates an `aws_iot_provisioning_template` and attaches it to the
        CA), `JITR` (the module creates a topic rule and a function that answer AWS IoT's event) or
        `NONE`.
      - `device_policy`: policy document (JSON) that is attached to each device, at most 2,048 characters
        without white space; with JITP, that of the default template. Default: connect as its own thing,
        publish and subscribe below its own name and shadow.
      - `permissions_boundary_arn`: ARN of the IAM policy that limits the permissions of the roles that
        the module creates. Default: none.
      - `template_name` (JITP): name of the template, 1 to 36 letters, digits, `_` and `-`. Default: the
        CA's name.
      - `template_body` (JITP): the template as JSON. Default: a thing named by the device certificate's
        common name with the CA's ID and mode as attributes, the certificate, and `device_policy`.
      - `role_arn` (JITP): ARN of the role that AWS IoT assumes to provision devices. Default: the module
        creates a role for this template.
      - `create_role` (JITP): whether the module creates that role. Set it to `false` if `role_arn` is
        only known after apply. Default: `true` if `role_arn` is null.
      - `require_source_account` (JITP): whether that role lets AWS IoT assume it for this account only
        (`aws:SourceAccount`). AWS does not document that JITP sends this: try one device first. Default:
        `false`.
      - `thing_type_name` (JITR): type of the things that the function creates, which must exist.
        Default: none.
      - `subject_attributes` (JITR): attributes of a thing in addition to the CA's ID and mode, each with
        the field of the device certificate's subject that it is taken from. More than one needs a
        `thing_type_name`. Default: `{ serial_number = "SerialNumber" }`.
      - `hook_function_arn` (JITR): ARN of a Lambda function that is called before a device is activated
        and that can refuse the device. Default: none.
      - `on_refusal` (JITR): status of a device certificate that the hook refused, `INACTIVE` or
        `REVOKED`. Default: `"INACTIVE"`.
      - `on_permanent_failure` (JITR): status of a device certificate whose device can never be provisioned
        (no common name that can be a thing's name), `INACTIVE` or `KEEP`.
        Default: `"INACTIVE"`.
      - `alarm_actions` (JITR): ARNs of the alarms' actions, such as an SNS topic, for devices that were
        refused and events that failed for good. Default: `[]`.
      - `log_retention_days` (JITR): how many days CloudWatch keeps the function's log. Default: `90`.
      - `reserved_concurrency` (JITR): how many devices are provisioned at once at most; the others
        wait. `-1`: as many as the account may run. Default: `5`.
      - `runtime` (JITR): the Python that Lambda runs the function with. Default: `"python3.12"`.
      - `kms_key_arn` (JITR): ARN of the KMS key of your own that encrypts the function's log, its
        environment and the dead letters. Default: keys that AWS owns.
      - `xray_tracing` (JITR): whether AWS X-Ray traces the function's runs. Default: `false`.
    - `verification`: proof of ownership in `DEFAULT` mode: exactly one of its attributes, and
      `ca_private_key_passphrase_env` if the key is encrypted. The module reads it only until the CA is
      registered in this mode; removing it afterwards changes nothing.
      - `certificate_pem`: a verification certificate, signed by the CA, whose common name is the
        registration code of this account and Region (`scripts/iot_ca csr` makes the request).
      - `ca_private_key_file`: path of the CA's private key (PEM or PKCS#8) on the machine that runs
        Terraform. Only the path is stored.
      - `ca_private_key_secret_arn`: ARN of a secret in AWS Secrets Manager, in this or another
        account, whose value is the CA's private key.
      - `ca_private_key_passphrase_env`: name of the environment variable that holds the passphrase
        of an encrypted key. Never the passphrase.
      - `kms_key_id`: ID, ARN or alias of the asymmetric key in AWS KMS that is the CA's key. It signs
        in KMS and never leaves KMS.
      - `acm_pca_arn`: ARN of the CA in AWS Private CA, which issues the verification certificate.
    - `allow_mode_change`: whether a CA that is registered in the other mode is deleted and registered
      again in this mode, with its settings and tags. If `false`, the plan fails. To change from
      `DEFAULT`, keep `verification`: the rollback needs it.
    - `force_mode_change`: change the mode even if the old registration could not be restored, or if
      AWS refuses what is tried beforehand.
    - `on_destroy`: what happens to the CA when it is removed from this map or the module is destroyed:
      `delete`, `deactivate` or `retain`. What provisions its devices is deleted in any case; a template
      is detached from a CA that is retained. Default: delete what this module registered, retain what
      it adopted.
    - `force_destroy`: delete the CA even if certificates of its devices are registered in the
      account. If `false`, the deletion is refused if AWS IoT lists such certificates, which AWS does
      not document for `SNI_ONLY` mode. As with `on_destroy`, destroy uses the value that was applied
      last.
    - `tags`: tags of the CA and of what provisions its devices, in addition to the module's `tags` and
      the provider's `default_tags`. Unmanaged tags on the CA are not changed.
  EOT
  type = map(object({
    certificate_pem   = string
    certificate_mode  = optional(string, "SNI_ONLY")
    status            = optional(string, "ACTIVE")
    auto_registration = optional(bool)
    provisioning = optional(object({
      type                     = string
      device_policy            = optional(string)
      permissions_boundary_arn = optional(string)
      template_name            = optional(string)
      template_body            = optional(string)
      role_arn                 = optional(string)
      create_role              = optional(bool)
      require_source_account   = optional(bool)
      thing_type_name          = optional(string)
      subject_attributes       = optional(map(string))
      hook_function_arn        = optional(string)
      on_refusal               = optional(string)
      on_permanent_failure     = optional(string)
      alarm_actions            = optional(list(string))
      log_retention_days       = optional(number)
      reserved_concurrency     = optional(number)
      runtime                  = optional(string)
      kms_key_arn              = optional(string)
      xray_tracing             = optional(bool)
    }), { type = "NONE" })
    verification = optional(object({
      certificate_pem               = optional(string)
      ca_private_key_file           = optional(string)
      ca_private_key_secret_arn     = optional(string)
      ca_private_key_passphrase_env = optional(string)
      kms_key_id                    = optional(string)
      acm_pca_arn                   = optional(string)
    }))
    allow_mode_change = optional(bool, false)
    force_mode_change = optional(bool, false)
    on_destroy        = optional(string)
    force_destroy     = optional(bool, false)
    tags              = optional(map(string), {})
  }))
  nullable = false

  validation {
    condition = alltrue([for ca in values(var.certificate_authorities) : ca != null])
    error_message = "A CA must not be null. It is null for ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities : name if ca == null
    ])))}: give an object with certificate_pem, or leave out the name."
  }

  validation {
    condition = alltrue([for ca in values(var.certificate_authorities) : ca.certificate_pem != null if ca != null])
    error_message = "certificate_pem is required. It is null for ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities : name if try(ca.certificate_pem == null, false)
    ])))}: give the CA's certificate as PEM text, such as file(\"device-ca.pem\")."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      !strcontains(try(coalesce(ca.certificate_pem), ""), "PRIVATE KEY-----") if ca != null
    ])
    error_message = "certificate_pem holds a private key. Give the CA's certificate alone, and treat the key as exposed if this configuration was stored or logged."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : contains(["SNI_ONLY", "DEFAULT"], ca.certificate_mode)
      if ca != null
    ])
    error_message = "certificate_mode must be \"SNI_ONLY\" or \"DEFAULT\"."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : contains(["ACTIVE", "INACTIVE"], ca.status) if ca != null
    ])
    error_message = "status must be \"ACTIVE\" or \"INACTIVE\"."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      contains(["JITP", "JITR", "NONE"], try(coalesce(ca.provisioning.type), "")) if ca != null
    ])
    error_message = "provisioning.type must be \"JITP\", \"JITR\" or \"NONE\"."
  }

  validation {
    condition = alltrue([
      for name, ca in var.certificate_authorities :
      ca.provisioning.type != "JITR" || can(regex("^[0-9A-Za-z_-]{1,36}$", name)) if ca != null
    ])
    error_message = "A CA with JITR gives its name in this map to the function, the rule and the rest: 1 to 36 letters, digits, \"_\" and \"-\". A CA without JITR can be renamed at any time."
  }

  validation {
    condition = alltrue([
      for name, ca in var.certificate_authorities : ca.provisioning.type != "JITP" || can(
        regex("^[0-9A-Za-z_-]{1,36}$", coalesce(ca.provisioning.template_name, name))
      ) if ca != null
    ])
    error_message = "The name of a provisioning template has 1 to 36 letters, digits, \"_\" and \"-\". It is provisioning.template_name, or else the CA's name in this map: set a template_name that fits."
  }

  validation {
    condition = length(distinct([
      for name, ca in var.certificate_authorities :
      coalesce(ca.provisioning.template_name, name) if try(ca.provisioning.type == "JITP", false)
      ])) == length([
      for ca in values(var.certificate_authorities) : ca if try(ca.provisioning.type == "JITP", false)
    ])
    error_message = "Two CAs have the same provisioning.template_name. Each CA has a template of its own."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.provisioning.template_body == null || can(keys(jsondecode(ca.provisioning.template_body).Resources))
      if ca != null
    ])
    error_message = "provisioning.template_body must be JSON with Resources (such as jsonencode({ Parameters = {...}, Resources = {...} }))."
  }

  validation {
    # API reference of AWS IoT, CreateProvisioningTemplate.
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      length(try(coalesce(ca.provisioning.template_body), "")) <= 10240 if ca != null
    ])
    error_message = "provisioning.template_body is longer than the 10,240 characters that AWS IoT allows: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities :
      name if try(!(length(try(coalesce(ca.provisioning.template_body), "")) <= 10240), false)
    ])))}."
  }

  validation {
    # AWS IoT developer guide, "Provisioning templates".
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      contains(try([
        for resource in values(jsondecode(ca.provisioning.template_body).Resources) : try(resource.Type, "")
      ], ["AWS::IoT::Certificate"]), "AWS::IoT::Certificate") if ca != null
    ])
    error_message = "provisioning.template_body has no resource of type AWS::IoT::Certificate, which AWS IoT requires: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities :
      name if try(!(contains(try([
        for resource in values(jsondecode(ca.provisioning.template_body).Resources) : try(resource.Type, "")
      ], ["AWS::IoT::Certificate"]), "AWS::IoT::Certificate")), false)
    ])))}."
  }

  validation {
    # AWS IoT developer guide, "Provisioning templates".
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      alltrue([
        for resource in try(values(jsondecode(ca.provisioning.template_body).Resources), []) : length(setintersection(
          [for key in try(keys(resource.Properties), []) : lower(key)], ["policyname", "policydocument"]
        )) == 1 if try(resource.Type, "") == "AWS::IoT::Policy"
      ]) if ca != null
    ])
    error_message = "provisioning.template_body has an AWS::IoT::Policy that does not have exactly one of PolicyName and PolicyDocument: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities :
      name if try(!(alltrue([
        for resource in try(values(jsondecode(ca.provisioning.template_body).Resources), []) : length(setintersection(
          [for key in try(keys(resource.Properties), []) : lower(key)], ["policyname", "policydocument"]
        )) == 1 if try(resource.Type, "") == "AWS::IoT::Policy"
      ])), false)
    ])))}."
  }

  validation {
    # AWS IoT creates this policy when a device connects: what it refuses then is a device that is not provisioned.
    # AWS IoT developer guide, "Provisioning templates": the document is a string. A function can yield one.
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      alltrue(flatten([
        for resource in try(values(jsondecode(ca.provisioning.template_body).Resources), []) : [
          for key, document in try(resource.Properties, {}) :
          try(
            length(replace(document, "/\\s/", "")) <= 2048 && length(jsondecode(document).Statement[*]) > 0 && alltrue([
              for statement in jsondecode(document).Statement[*] :
              contains(["Allow", "Deny"], statement.Effect) && length([statement.Action, statement.Resource]) == 2
            ]),
            can(regex("^(Ref|Fn::.+)$", one(keys(document))))
          ) if lower(key) == "policydocument"
        ] if try(resource.Type, "") == "AWS::IoT::Policy"
      ])) if ca != null
    ])
    error_message = "provisioning.template_body has a PolicyDocument that is not a JSON string with statements of Effect, Action and Resource, or is longer than 2,048 characters without white space: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities :
      name if try(!(alltrue(flatten([
        for resource in try(values(jsondecode(ca.provisioning.template_body).Resources), []) : [
          for key, document in try(resource.Properties, {}) :
          try(
            length(replace(document, "/\\s/", "")) <= 2048 && length(jsondecode(document).Statement[*]) > 0 && alltrue([
              for statement in jsondecode(document).Statement[*] :
              contains(["Allow", "Deny"], statement.Effect) && length([statement.Action, statement.Resource]) == 2
            ]),
            can(regex("^(Ref|Fn::.+)$", one(keys(document))))
          ) if lower(key) == "policydocument"
        ] if try(resource.Type, "") == "AWS::IoT::Policy"
      ]))), false)
    ])))}."
  }

  validation {
    # AWS IoT developer guide, "AWS IoT Core policies", and IAM user guide: one statement, or a list of them.
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.provisioning.device_policy == null || try(
        length(jsondecode(ca.provisioning.device_policy).Statement[*]) > 0 && alltrue([
          for statement in jsondecode(ca.provisioning.device_policy).Statement[*] :
          contains(["Allow", "Deny"], statement.Effect) && length([statement.Action, statement.Resource]) == 2
        ]), false
      ) if ca != null
    ])
    error_message = "provisioning.device_policy must be a policy document in JSON with at least one Statement, each with the Effect Allow or Deny, Action and Resource. It is not: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities :
      name if try(!(ca.provisioning.device_policy == null || try(
        length(jsondecode(ca.provisioning.device_policy).Statement[*]) > 0 && alltrue([
          for statement in jsondecode(ca.provisioning.device_policy).Statement[*] :
          contains(["Allow", "Deny"], statement.Effect) && length([statement.Action, statement.Resource]) == 2
        ]), false
      )), false)
    ])))}."
  }

  validation {
    # API reference of AWS IoT, CreatePolicy.
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      length(replace(try(coalesce(ca.provisioning.device_policy), ""), "/\\s/", "")) <= 2048 if ca != null
    ])
    error_message = "provisioning.device_policy is longer than the 2,048 characters without white space that AWS IoT allows: ${nonsensitive(sensitive(join(", ", [
      for name, ca in var.certificate_authorities :
      name if try(!(length(replace(try(coalesce(ca.provisioning.device_policy), ""), "/\\s/", "")) <= 2048), false)
    ])))}."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.provisioning.template_body == null || ca.provisioning.device_policy == null if ca != null
    ])
    error_message = "Set provisioning.template_body or provisioning.device_policy, not both: the policy is part of the default template body."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.provisioning.type == "JITP" || alltrue([
        for key, value in ca.provisioning :
        value == null if contains(["template_name", "template_body", "role_arn", "create_role", "require_source_account"], key)
      ]) if ca != null
    ])
    error_message = "Only JITP has template_name, template_body, role_arn, create_role and require_source_account."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.provisioning.type == "JITR" || alltrue([
        for key, value in ca.provisioning :
        value == null if !contains(["type", "device_policy", "permissions_boundary_arn", "template_name", "template_body", "role_arn", "create_role", "require_source_account"], key)
      ]) if ca != null
    ])
    error_message = "Only JITR has thing_type_name, subject_attributes, hook_function_arn, on_refusal, on_permanent_failure, alarm_actions, log_retention_days, reserved_concurrency, runtime, kms_key_arn and xray_tracing."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.provisioning.type != "NONE" || ca.provisioning.device_policy == null
      if ca != null
    ])
    error_message = "provisioning.device_policy is a setting of provisioning.type \"JITP\" and \"JITR\"."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.provisioning.permissions_boundary_arn == null || (ca.provisioning.type != "NONE" && ca.provisioning.role_arn == null)
      if ca != null
    ])
    error_message = "provisioning.permissions_boundary_arn is for roles that are made: with provisioning.type \"JITP\" and \"JITR\", and without a provisioning.role_arn."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.provisioning.thing_type_name != null || length(coalesce(ca.provisioning.subject_attributes, {})) <= 1
      if ca != null
    ])
    error_message = "More than one of provisioning.subject_attributes needs a provisioning.thing_type_name: a thing without a type has three attributes, and the CA's ID and mode are two."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.provisioning.require_source_account != true || ca.provisioning.role_arn == null if ca != null
    ])
    error_message = "provisioning.require_source_account is for the role that the module creates. Write the condition on aws:SourceAccount into the trust policy of your own provisioning.role_arn."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.provisioning.create_role != false || ca.provisioning.role_arn != null
      if ca != null
    ])
    error_message = "provisioning.create_role = false needs a provisioning.role_arn."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.provisioning.create_role != true || ca.provisioning.role_arn == null
      if ca != null
    ])
    error_message = "provisioning.create_role = true makes a role: leave provisioning.role_arn out."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.verification == null || length([
        for key, value in coalesce(ca.verification, {}) : key if key != "ca_private_key_passphrase_env" && value != null
      ]) == 1 if ca != null
    ])
    error_message = "verification takes exactly one of certificate_pem, ca_private_key_file, ca_private_key_secret_arn, kms_key_id and acm_pca_arn."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      try(ca.verification.ca_private_key_passphrase_env, null) == null
      || try(ca.verification.ca_private_key_file, null) != null
      || try(ca.verification.ca_private_key_secret_arn, null) != null if ca != null
    ])
    error_message = "verification.ca_private_key_passphrase_env goes with ca_private_key_file or ca_private_key_secret_arn."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      can(regex("^[A-Za-z_][0-9A-Za-z_]*$", try(coalesce(ca.verification.ca_private_key_passphrase_env), "NONE")))
      if ca != null
    ])
    error_message = "verification.ca_private_key_passphrase_env must be the name of an environment variable, never the passphrase itself."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : try(ca.verification.ca_private_key_secret_arn, null) == null || can(
        regex("^arn:[a-z-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[^-].*$", ca.verification.ca_private_key_secret_arn)
      ) if ca != null
    ])
    error_message = "verification.ca_private_key_secret_arn must be the ARN of a secret (arn:aws:secretsmanager:eu-west-1:111122223333:secret:NAME). If it was the key itself, treat the key as exposed."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : try(ca.verification.kms_key_id, null) == null || can(
        regex("^(arn:[a-z-]+:kms:[a-z0-9-]+:[0-9]{12}:(key|alias)/[0-9A-Za-z:/_-]+|alias/[0-9A-Za-z:/_-]+|(mrk-)?[0-9a-f-]{32,36})$", ca.verification.kms_key_id)
      ) if ca != null
    ])
    error_message = "verification.kms_key_id must be the ID, the ARN or the alias (alias/NAME) of a key in AWS KMS."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : try(ca.verification.acm_pca_arn, null) == null || can(
        regex("^arn:[a-z-]+:acm-pca:[a-z0-9-]+:[0-9]{12}:certificate-authority/[0-9a-f-]+$", ca.verification.acm_pca_arn)
      ) if ca != null
    ])
    error_message = "verification.acm_pca_arn must be the ARN of a CA in AWS Private CA (arn:aws:acm-pca:eu-west-1:111122223333:certificate-authority/ID)."
  }

  validation {
    # As in scripts/iot_ca/ownership/proof.py: PEM, base64 of PEM, base64 or hexadecimal of DER.
    condition = alltrue([
      for ca in values(var.certificate_authorities) : !can(regex(
        "-----|\\A\\s*(?:M[C-I]|LS0t)[0-9A-Za-z+/=\\s]{60,}\\z|\\A[0-9A-Fa-f:\\s]{100,}\\z",
        try(coalesce(ca.verification.ca_private_key_file), "")
      )) if ca != null
    ])
    error_message = "verification.ca_private_key_file holds a key. Give the path of its file, and treat the key as exposed if this configuration was stored or logged."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : can(regex(
        # A key is refused above.
        "\\A[^\\x00-\\x1f\\x7f\"]*\\z|-----|\\A\\s*(?:M[C-I]|LS0t)[0-9A-Za-z+/=\\s]{60,}\\z|\\A[0-9A-Fa-f:\\s]{100,}\\z",
        try(coalesce(ca.verification.ca_private_key_file), "")
      )) if ca != null
    ])
    error_message = "verification.ca_private_key_file is not a path. It has a line break, a quotation mark or a control character: give the path of the key's file."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      !strcontains(try(coalesce(ca.verification.certificate_pem), ""), "PRIVATE KEY-----") if ca != null
    ])
    error_message = "verification.certificate_pem holds a private key. Give the verification certificate alone, and treat the key as exposed if this configuration was stored or logged."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.verification == null || ca.certificate_mode == "DEFAULT" || ca.allow_mode_change if ca != null
    ])
    error_message = "verification is for certificate_mode = \"DEFAULT\": remove it. To change a CA from DEFAULT to SNI_ONLY, keep it for a rollback, and set allow_mode_change = true."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) : ca.allow_mode_change || !ca.force_mode_change if ca != null
    ])
    error_message = "force_mode_change = true goes with allow_mode_change = true."
  }

  validation {
    condition = alltrue([
      for ca in values(var.certificate_authorities) :
      ca.on_destroy == null || contains(["delete", "deactivate", "retain"], coalesce(ca.on_destroy, "retain"))
      if ca != null
    ])
    error_message = "on_destroy must be \"delete\", \"deactivate\" or \"retain\"."
  }

  validation {
    condition = alltrue([
      for key in flatten([for ca in values(var.certificate_authorities) : keys(ca.tags) if ca != null]) :
      !startswith(key, "iot-ca:") && !startswith(lower(key), "aws:")
    ])
    error_message = "Tag keys must not begin with \"iot-ca:\" (this module's own) or \"aws:\" (AWS's own)."
  }
}

variable "credentials" {
  description = <<-EOT
    Where the program behind the module takes its AWS credentials from. It does not inherit the
    settings of the `aws` provider; by default it uses the environment, as the AWS CLI does. It
    refuses to work in an account other than the provider's.

    - `profile`: name of a profile in the AWS configuration files.
    - `role_arn`: role to assume, with the credentials of the profile or the environment.
    - `external_id`: external ID that the role requires.
    - `session_name`: name of the session, as CloudTrail shows it. Default: `terraform-aws-iot-ca`.
  EOT
  type = object({
    profile      = optional(string)
    role_arn     = optional(string)
    external_id  = optional(string)
    session_name = optional(string)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.credentials.role_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/.+$", var.credentials.role_arn))
    error_message = "credentials.role_arn must be the ARN of an IAM role (arn:aws:iam::111122223333:role/NAME)."
  }

  validation {
    condition     = var.credentials.role_arn != null || (var.credentials.external_id == null && var.credentials.session_name == null)
    error_message = "credentials.external_id and credentials.session_name need a credentials.role_arn."
  }
}

variable "expiry_warning_days" {
  description = "From how many days before a CA expires each plan warns of it. `0`: never before it has expired. A warning changes nothing else: no output, and not the exit status of the plan."
  type        = number
  default     = 90
  nullable    = false

  validation {
    condition     = floor(var.expiry_warning_days) == var.expiry_warning_days
    error_message = "expiry_warning_days must be a whole number."
  }

  validation {
    # Terraform can't add more than 292 years to a time.
    condition     = var.expiry_warning_days >= 0 && var.expiry_warning_days <= 36500
    error_message = "expiry_warning_days must be 0 (no warning before a CA has expired) to 36500."
  }
}

variable "jitp_alarms" {
  description = <<-EOT
    Alarms that go off when AWS IoT could not provision a device of any CA with JITP in this account and
    Region. Set them in one configuration for each account and Region. Default: no alarms.

    - `alarm_actions`: ARNs of the alarms' actions, such as an SNS topic.
  EOT
  type = object({
    alarm_actions = optional(list(string), [])
  })
  default = null

  validation {
    condition     = alltrue([for arn in try(coalesce(var.jitp_alarms).alarm_actions, []) : startswith(arn, "arn:")])
    error_message = "jitp_alarms.alarm_actions must be ARNs."
  }
}

variable "region" {
  description = "Name of the Region: the aws provider's. With it, the module queries the CAs as soon as the plan starts, and does not wait for the provider: a plan takes about as long as with the provider's own resources. A plan with another Region or account than the provider's fails. Must be known in every plan, such as a literal string or a variable. Default: the provider's Region."
  type        = string
  default     = null

  validation {
    condition     = var.region == null || can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]+$", var.region))
    error_message = "region must be the name of an AWS Region, such as \"eu-west-1\"."
  }
}

variable "python_command" {
  description = "The command that runs a Python 3.10 or later with boto3 1.35 and cryptography 42 or later, as a list of words (such as `[\"uv\", \"run\", \"--with\", \"boto3,cryptography\", \"python\"]`). If the packages are missing and `uv` is on the PATH, the program fetches them through `uv`. Kept in the state: destroy uses it too."
  type        = list(string)
  default     = ["python3"]
  nullable    = false

  validation {
    condition     = length(var.python_command) > 0
    error_message = "python_command must have at least one word."
  }
}

variable "tags" {
  description = "Tags of everything that this module creates: CAs and what provisions their devices, in addition to the provider's `default_tags`. A CA's own `tags` take precedence."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for key in keys(var.tags) : !startswith(key, "iot-ca:") && !startswith(lower(key), "aws:")])
    error_message = "Tag keys must not begin with \"iot-ca:\" (this module's own) or \"aws:\" (AWS's own)."
  }
}
