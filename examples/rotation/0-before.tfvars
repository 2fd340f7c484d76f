# Where the rotation begins: one CA, which is to expire.
certificate_authorities = {
  factory-2025 = { certificate_file = "factory-2025.pem" }
}
