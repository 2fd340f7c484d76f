"""What the module tells the function, in environment variables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Settings:
    """How devices of one CA are provisioned.

    Attributes:
        ca_certificate_id: the CA; events about the devices of any other are not for this function.
        ca_certificate_mode: its mode, for the things' attributes.
        account_id: the account of the CA and of the function.
        policy_name: the policy that each device certificate gets.
        thing_type_name: the type of new things; None for none.
        subject_attributes: further attributes of a thing, by the field of the subject that they
            are taken from.
        hook_function_arn: whom to ask before a device is let in; None for nobody.
        on_refusal: the status of a certificate that the hook refused, INACTIVE or REVOKED.
        on_permanent_failure: the status of a certificate whose device can't be provisioned:
            INACTIVE, or KEEP for the one that it has.
    """

    ca_certificate_id: str
    ca_certificate_mode: str
    account_id: str
    policy_name: str
    thing_type_name: str | None = None
    subject_attributes: Mapping[str, str] = field(default_factory=dict)
    hook_function_arn: str | None = None
    on_refusal: str = "INACTIVE"
    on_permanent_failure: str = "INACTIVE"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`; an optional one may be empty or missing.

    Raises KeyError if one that is needed is missing.
    """
    return Settings(
        ca_certificate_id=environment["JITR_CA_CERTIFICATE_ID"],
        ca_certificate_mode=environment["JITR_CA_CERTIFICATE_MODE"],
        account_id=environment["JITR_ACCOUNT_ID"],
        policy_name=environment["JITR_POLICY_NAME"],
        thing_type_name=environment.get("JITR_THING_TYPE_NAME") or None,
        subject_attributes=json.loads(environment.get("JITR_SUBJECT_ATTRIBUTES") or "{}"),
        hook_function_arn=environment.get("JITR_HOOK_FUNCTION_ARN") or None,
        on_refusal=environment.get("JITR_ON_REFUSAL") or "INACTIVE",
        on_permanent_failure=environment.get("JITR_ON_PERMANENT_FAILURE") or "INACTIVE",
    )
