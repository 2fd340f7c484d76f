"""The policies and templates of a run, as the modules write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.support.aws_contract.accounts import AwsAccount

_CERTIFICATE = "AWS::IoT::Certificate::"


def trust(service: str, condition: Mapping[str, Any] | None = None) -> str:
    """Return the trust policy of a role that a service assumes."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": service},
    }
    if condition:
        statement["Condition"] = condition
    return _document(statement)


def allow(action: str, resource: str) -> str:
    """Return an identity-based policy."""
    return _document({"Effect": "Allow", "Action": action, "Resource": resource})


def device_policy(account: AwsAccount, prefix: str) -> str:
    """Return the policy of modules/_device_policy: a device's own client ID and topics.

    `prefix` makes it the run's own. AWS IoT names a policy of a template by a hash of its document,
    so that two templates with one document share a policy.
    """
    thing = "${iot:Connection.Thing.ThingName}"
    return _document(
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": account.arn(f"client/{thing}")},
        {
            "Effect": "Allow",
            "Action": ["iot:Publish", "iot:Receive"],
            "Resource": [account.arn(f"topic/{thing}/*"), account.arn(f"topic/{prefix}/*")],
        },
        {
            "Effect": "Allow",
            "Action": "iot:Subscribe",
            "Resource": account.arn(f"topicfilter/{thing}/*"),
        },
    )


def template_body(
    account: AwsAccount,
    prefix: str,
    attribute: str = "first",
    overrides: Mapping[str, str] | None = None,
    parameters: tuple[str, ...] = ("CommonName", "Id"),
) -> str:
    """Return a template as modules/jitp writes it.

    Args:
        attribute: the value of the thing's attribute `made_by`.
        overrides: the thing's OverrideSettings. None leaves out those of the certificate too.
        parameters: what the template declares, and a device's certificate must have.
    """
    thing: dict[str, Any] = {
        "Type": "AWS::IoT::Thing",
        "Properties": {
            "ThingName": {"Ref": f"{_CERTIFICATE}CommonName"},
            "AttributePayload": {"made_by": attribute},
        },
    }
    certificate: dict[str, Any] = {
        "Type": "AWS::IoT::Certificate",
        "Properties": {"CertificateId": {"Ref": f"{_CERTIFICATE}Id"}, "Status": "ACTIVE"},
    }
    if overrides is not None:
        thing["OverrideSettings"] = dict(overrides)
        certificate["OverrideSettings"] = {"Status": "REPLACE"}
    policy = {
        "Type": "AWS::IoT::Policy",
        "Properties": {"PolicyDocument": device_policy(account, prefix)},
    }
    return json.dumps(
        {
            "Parameters": {_CERTIFICATE + name: {"Type": "String"} for name in parameters},
            "Resources": {"thing": thing, "certificate": certificate, "policy": policy},
        }
    )


def _document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
