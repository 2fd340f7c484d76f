# A resource that refers to one of these is not changed before both guards have passed. The values are
# known in every plan, and no data source is deferred, as with a depends_on of a module.

output "names" {
  description = "Each CA's name, by the name."
  value       = { for name in keys(var.certificate_digests) : name => name }

  depends_on = [terraform_data.guard, module.account]
}

output "certificate_digests" {
  description = "The input of the same name."
  value       = var.certificate_digests

  depends_on = [terraform_data.guard, module.account]
}
