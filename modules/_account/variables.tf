variable "accounts" {
  description = <<-EOT
    The accounts and Regions to compare. One variable: before Terraform 1.9, a validation reads one only.

    - `current`: where the aws provider works.
      - `account_id`: ID of the account.
      - `region`: name of the Region.
    - `recorded`: the account and Region that the state has for each CA, by the CA's name, and for the module as a
      whole, by an empty name.
  EOT
  type = object({
    current  = object({ account_id = string, region = string })
    recorded = map(object({ account_id = string, region = string }))
  })
  nullable = false

  validation {
    condition = alltrue([for recorded in values(var.accounts.recorded) : recorded == var.accounts.current])
    # As a rule one account and Region: the names in a state are applied together.
    error_message = "The state belongs to another account or Region. ${coalesce(join(", ", [
      for name, recorded in var.accounts.recorded : name if name != "" && recorded != var.accounts.current
      ]), "certificate_authorities")} (${join("; ", distinct([
      for recorded in values(var.accounts.recorded) : "account ${recorded.account_id}, ${recorded.region}"
      if recorded != var.accounts.current
    ]))}): the aws provider works in account ${var.accounts.current.account_id}, ${var.accounts.current.region}. Select the workspace and the credentials that belong together (docs/accounts-and-regions.md)."
  }
}
