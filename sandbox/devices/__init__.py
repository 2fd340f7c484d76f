"""What devices connect to: TLS, MQTT, admission, just-in-time provisioning, topic rules."""
