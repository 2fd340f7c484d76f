"""Stand-ins for two providers, for machines that the provider registry is out of reach of.

They speak Terraform's real plugin protocol and keep the contracts of hashicorp/external and
hashicorp/archive, so plans, applies and `terraform test` are real. Test support and nothing else:
a machine that can get the real ones uses those.
"""
