output "document" {
  description = "Policy document (JSON) of each device: `device_policy`, or the default, which allows a device its own topics and shadow."
  value       = coalesce(var.device_policy, local.default_document)
}
