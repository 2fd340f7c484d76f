# The old CA is gone, once no device has a certificate of it any more.
certificate_authorities = {
  factory-2026 = { certificate_file = "factory-2026.pem" }
}
