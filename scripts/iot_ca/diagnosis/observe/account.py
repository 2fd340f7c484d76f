"""Observe what AWS IoT meets when the device connects to one account and Region. Read-only."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any

from iot_ca.aws.session import Account
from iot_ca.certificates import pem
from iot_ca.diagnosis.facts import (
    Access,
    Authorization,
    Device,
    Jitp,
    Jitr,
    Observation,
    RegisteredCa,
    RegisteredDevice,
)
from iot_ca.diagnosis.observe.jitp import observe_jitp
from iot_ca.diagnosis.observe.jitr import observe_jitr
from iot_ca.diagnosis.observe.logs import observe_log
from iot_ca.diagnosis.steps import registration
from iot_ca.diagnosis.steps.ca import choose_signer
from iot_ca.diagnosis.template import subject
from iot_ca.errors import Failure
from iot_ca.provisioning.checks.rule import POLICY_VARIABLE
from iot_ca.provisioning.facts import Function, PolicyDocument, Unreadable
from iot_ca.provisioning.observe.reading import Reader

_MARKER = ("marker", "nextMarker")
_TOKEN = ("nextToken", "nextToken")


def observe(account: Account, device: Device, now: datetime) -> Observation:
    """Return all that the checks need to know of one account and Region.

    Raises Failure if the account can't be reached at all.
    """
    reader = Reader(account)
    try:
        return _observe(reader, device, now)
    finally:
        reader.close()


def _observe(reader: Reader, device: Device, now: datetime) -> Observation:
    account, certificate_id = reader.account, device.certificate.certificate_id
    listed, registered, endpoint, log = reader.all(
        lambda: reader.read_pages(
            "iot", "list_ca_certificates", "certificates", _MARKER, pageSize=250
        ),
        lambda: _registered(reader, certificate_id),
        lambda: reader.read("iot", "describe_endpoint", endpointType="iot:Data-ATS"),
        lambda: observe_log(reader, certificate_id, now),
    )
    cas = _cas(reader, device, listed, now)
    seen = Observation(
        target=account.target,
        partition=account.partition,
        now=now,
        cas=cas,
        registered=registered,
        endpoint=endpoint if isinstance(endpoint, Unreadable) else endpoint["endpointAddress"],
        log=log,
    )
    signer = None if isinstance(cas, Unreadable) else choose_signer(device, cas, now)
    provisioning = _provisioning(reader, device, seen, signer)
    access = _access(reader, device, seen, signer) if registration.is_active(seen) else None
    return replace(seen, **provisioning, access=access)


def _provisioning(
    reader: Reader, device: Device, seen: Observation, signer: RegisteredCa | None
) -> dict[str, Any]:
    """Return what provisions the device, if it is new or still waits for that."""
    if signer is None or not (seen.registered is None or registration.is_pending(seen)):
        return {}
    if signer.registration_config:
        return {"jitp": observe_jitp(reader, device, signer)}
    jitr = observe_jitr(reader, device, seen, signer)
    return {"jitr": jitr, "templates": _templates(reader, jitr)}


def _templates(reader: Reader, jitr: Jitr) -> tuple[str, ...] | Unreadable:
    """Return the enabled templates of type JITP, if the CA has neither a template nor a rule."""
    if isinstance(jitr.rules, Unreadable) or jitr.rules:
        return ()
    templates = reader.read_pages("iot", "list_provisioning_templates", "templates", _TOKEN)
    if isinstance(templates, Unreadable):
        return templates
    return tuple(
        template["templateName"]
        for template in templates
        if template.get("type") == "JITP" and template.get("enabled")
    )


def _registered(reader: Reader, certificate_id: str) -> RegisteredDevice | Unreadable | None:
    answer = reader.read("iot", "describe_certificate", certificateId=certificate_id)
    if answer is None or isinstance(answer, Unreadable):
        return answer
    description = answer["certificateDescription"]
    return RegisteredDevice(
        description["certificateArn"],
        description["status"],
        # Registrations older than the modes carry none and behave as in DEFAULT mode.
        description.get("certificateMode") or "DEFAULT",
        description.get("caCertificateId"),
    )


def _cas(
    reader: Reader, device: Device, listed: Any, now: datetime
) -> tuple[RegisteredCa, ...] | Unreadable:
    """Return the registered CAs.

    What can't be read matters only if no CA that can be read has signed the device's certificate.
    """
    unreadable = [listed] if isinstance(listed, Unreadable) else []
    names = [] if unreadable else [item["certificateId"] for item in listed]
    ids = dict.fromkeys([*(sent.certificate_id for sent in device.chain), *names])
    cas = []
    for ca in reader.each(partial(_ca, reader), ids):
        if isinstance(ca, Unreadable):
            unreadable.append(ca)
        elif ca is not None:
            cas.append(ca)
    if unreadable and choose_signer(device, cas, now) is None:
        return unreadable[0]
    return tuple(cas)


def _ca(reader: Reader, certificate_id: str) -> RegisteredCa | Unreadable | None:
    answer = reader.read("iot", "describe_ca_certificate", certificateId=certificate_id)
    if answer is None or isinstance(answer, Unreadable):
        return answer
    description = answer["certificateDescription"]
    try:
        parsed = pem.parse(pem.read(description["certificatePem"]))
    except Failure as failure:
        return Unreadable(f"CA {certificate_id} can't be read: {failure}")
    config = answer.get("registrationConfig") or {}
    return RegisteredCa(
        certificate_id,
        parsed,
        description.get("certificateMode") or "DEFAULT",
        description["status"],
        description.get("autoRegistrationStatus") == "ENABLE",
        {key: value for key, value in config.items() if value},
        description["creationDate"],
    )


def _access(
    reader: Reader, device: Device, seen: Observation, signer: RegisteredCa | None
) -> Access:
    assert isinstance(seen.registered, RegisteredDevice)
    arn = seen.registered.arn
    things = reader.read_pages("iot", "list_principal_things", "things", _TOKEN, principal=arn)
    names = [] if things is None or isinstance(things, Unreadable) else things
    client_id = device.client_id or next(iter(names), subject(device.parsed).get("CommonName", ""))
    authorization = _authorization(reader, seen, arn, client_id)
    access = Access(
        client_id,
        authorization,
        things=things if isinstance(things, Unreadable) else tuple(names),
    )
    if isinstance(authorization, Authorization) and authorization.decision == "ALLOWED":
        return access
    attached = reader.read_pages("iot", "list_attached_policies", "policies", _MARKER, target=arn)
    return replace(
        access,
        policies=_documents(reader, attached),
        thing_exists=_thing_exists(reader, client_id),
        usual_policy=None if attached else _usual_policy(reader, device, seen, signer),
    )


def _authorization(
    reader: Reader, seen: Observation, arn: str, client_id: str
) -> Authorization | Unreadable:
    client = f"{seen.iot_arn_prefix}:client/{client_id}"
    answer = reader.read(
        "iot",
        "test_authorization",
        principal=arn,
        clientId=client_id,
        authInfos=[{"actionType": "CONNECT", "resources": [client]}],
    )
    if answer is None:
        return Unreadable("the device's certificate was deleted meanwhile; run again")
    if isinstance(answer, Unreadable):
        return answer
    (result,) = answer["authResults"]
    denied = result.get("denied", {}).get("explicitDeny", {}).get("policies", [])
    return Authorization(
        result["authDecision"],
        tuple(policy["policyName"] for policy in denied),
        tuple(result.get("missingContextValues") or ()),
    )


def _documents(reader: Reader, attached: Any) -> tuple[PolicyDocument, ...] | Unreadable:
    if attached is None or isinstance(attached, Unreadable):
        return attached or ()
    documents = []
    for policy in attached:
        answer = reader.read("iot", "get_policy", policyName=policy["policyName"])
        if isinstance(answer, Unreadable):
            return answer
        if answer is not None:
            documents.append(PolicyDocument(policy["policyName"], answer["policyDocument"]))
    return tuple(documents)


def _thing_exists(reader: Reader, name: str) -> bool | Unreadable:
    if not name:
        return False
    answer = reader.read("iot", "describe_thing", thingName=name)
    return answer if isinstance(answer, Unreadable) else answer is not None


def _usual_policy(
    reader: Reader, device: Device, seen: Observation, signer: RegisteredCa | None
) -> str | None:
    """Return the policy that the CA's devices get when they are provisioned, if it exists."""
    if signer is None:
        return None
    if signer.registration_config:
        jitp: Jitp = observe_jitp(reader, device, signer)
        policies = jitp.policies or {}
        return next((name for name, known in policies.items() if isinstance(known, str)), None)
    jitr = observe_jitr(reader, device, seen, signer)
    if isinstance(jitr.function, Function) and isinstance(jitr.policy, str):
        return jitr.function.environment.get(POLICY_VARIABLE)
    return None
