output "revisions" {
  description = "The revision of each CA once this configuration is applied, by name."
  value       = { for name, registration in terraform_data.registration : name => registration.triggers_replace.revision }
}
