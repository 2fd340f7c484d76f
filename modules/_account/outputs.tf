output "current" {
  description = "The account and Region that the aws provider works in, once they are known to be the recorded ones."
  value       = var.accounts.current
}
