# The old CA is INACTIVE but still known: its devices go on connecting, no new ones are provisioned.
certificate_authorities = {
  factory-2025 = { certificate_file = "factory-2025.pem", status = "INACTIVE" }
  factory-2026 = { certificate_file = "factory-2026.pem" }
}
