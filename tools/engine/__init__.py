"""The Terraform engines of this machine, and running them. Knows nothing of providers."""
