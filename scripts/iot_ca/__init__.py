"""The program behind the Terraform module terraform-aws-iot-ca.

CONTRIBUTING.md lists the packages and which imports which.
"""
