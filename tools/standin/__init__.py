"""A stand-in for hashicorp/external, for machines that cannot reach the provider registry.

It speaks Terraform's real plugin protocol and keeps the contract of the real provider, so plans,
applies and `terraform test` are real. Test support and nothing else: a machine that can get the
real provider uses that.
"""
