output "revisions" {
  description = "The revision that each CA carries once this is applied, by name."
  value       = { for name, registration in terraform_data.registration : name => registration.triggers_replace }
}
