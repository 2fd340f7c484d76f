"""Addresses of what the module has in a Terraform state."""

from __future__ import annotations


def registration(name: str, module: str = "ca") -> str:
    """Address of what registers and repairs a CA."""
    return f'module.{module}.module.registration.terraform_data.registration["{name}"]'


def deregistration(name: str, module: str = "ca") -> str:
    """Address of what takes a CA out."""
    return f'module.{module}.module.registration.terraform_data.deregistration["{name}"]'


def records(name: str, action: str, module: str = "ca") -> dict[str, str]:
    """The same planned action for all records of a CA."""
    addresses = [
        f'module.{module}.module.identity.terraform_data.identity["{name}"]',
        f'module.{module}.module.registration.terraform_data.first_revision["{name}"]',
        registration(name, module),
        deregistration(name, module),
    ]
    return dict.fromkeys(addresses, action)


def guards(action: str, module: str = "ca") -> dict[str, str]:
    """The same planned action for what refuses another account or certificate, for all CAs."""
    addresses = [
        f"module.{module}.module.identity.terraform_data.guard",
        f"module.{module}.module.registration.terraform_data.certificate_guard",
    ]
    return dict.fromkeys(addresses, action)


def template(name: str) -> str:
    """Address of a CA's provisioning template."""
    return f'module.ca.module.jitp["{name}"].aws_iot_provisioning_template.provisioning'
