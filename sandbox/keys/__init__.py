"""Where the key of a CA can be: KMS, Secrets Manager, Private CA."""
