"""Which permissions each operation needs, where an account's policies are enforced."""
