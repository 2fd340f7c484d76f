"""The program behind the Terraform module terraform-aws-iot-ca.

Facts flow one way: protocol -> certificate -> registry -> drift -> registry -> protocol.
"""
