output "certificate_authorities" {
  description = <<-EOT
    The answer for each CA, by its name in the input:

    - `certificate_id`, `certificate_arn`, `certificate_mode`, `status`, `auto_registration_status`,
      `not_before`, `not_after`: the CA as it is once the configuration is applied.
    - `revision`: changes exactly if there is something to apply.
    - `request`: what `modules/registration` needs to register the CA, as JSON, and whether the lookup has found the CA.
      Its only certificate is the CA's.
    - `drift`: what was changed outside Terraform, as a list of sentences: the plan warns of it.
    - `differences`: everything about the CA that is not as desired, as a list of sentences: `drift`, what the
      configuration has changed, and what a CA lacks that is not registered or was not registered by this module.
    - `warnings`: a list of sentences.
    - `template_exists`: whether the provisioning template exists that the CA should have.
    - `address_prefix`: what precedes the address of a resource of the root module, if a template exists.
  EOT
  value       = local.results

  # Before anything of the answer is used.
  precondition {
    condition     = local.is_in_target
    error_message = "The lookup worked in account ${join(", ", local.lookup_accounts)}, ${coalesce(var.region, "-")} (the program's credentials and region), the aws provider in account ${local.target.account_id}, ${local.target.region}. Set region to the provider's, and credentials to those of its account."
  }

  precondition {
    condition = alltrue([
      for name, ca in var.certificate_authorities : length(local.default_tags[name]) + length(ca.tags) <= 46
    ])
    error_message = "A CA can carry at most 46 tags, those of the module and the provider's default_tags included. More: ${join(", ", [
      for name, ca in var.certificate_authorities : "${name} (${length(local.default_tags[name]) + length(ca.tags)})"
      if length(local.default_tags[name]) + length(ca.tags) > 46
    ])}."
  }
}

output "certificate_digests" {
  description = "A digest of each CA's certificate, by name. Known in every plan, also if the lookup is deferred to apply. `modules/registration` compares it to refuse another certificate under the same name. It is not the certificate ID."
  value       = local.certificate_digests
}

output "target" {
  description = "The account and Region of the lookup: `account_id`, `region`, `credentials`."
  value       = local.target
}
