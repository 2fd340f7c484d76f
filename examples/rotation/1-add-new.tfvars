# Both CAs, each with a provisioning template of its own: devices of either are provisioned.
certificate_authorities = {
  factory-2025 = { certificate_file = "factory-2025.pem" }
  factory-2026 = { certificate_file = "factory-2026.pem" }
}
