"""Refusals that several types of resource of AWS IoT have in common."""

from __future__ import annotations

from collections.abc import Sequence

from sandbox.errors import AWSError


def invalid_request(message: str) -> AWSError:
    """Return an InvalidRequestException."""
    return AWSError("InvalidRequestException", message)


def not_found(message: str) -> AWSError:
    """Return a ResourceNotFoundException."""
    return AWSError("ResourceNotFoundException", message, 404)


def delete_conflict(message: str) -> AWSError:
    """Return a DeleteConflictException: something else still needs the resource."""
    return AWSError("DeleteConflictException", message, 409)


def invalid_certificate(message: str) -> AWSError:
    """Return a CertificateValidationException."""
    return AWSError("CertificateValidationException", message)


def already_exists(message: str, resource_id: str, arn: str) -> AWSError:
    """Return a ResourceAlreadyExistsException that names the resource (API reference)."""
    members = {"resourceId": resource_id, "resourceArn": arn}
    return AWSError("ResourceAlreadyExistsException", message, 409, members)


def check_member(name: str, value: str, allowed: Sequence[str]) -> str:
    """Return ``value`` if the model's enumeration ``allowed`` has it; else raise."""
    if value not in allowed:
        raise invalid_request(
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy "
            f"constraint: Member must satisfy enum value set: [{', '.join(allowed)}]"
        )
    return value
