"""First contact of a device with an account: its certificate appears, and JITP is carried out.

The only module that reads and writes moto's IoT for devices; callers hold the lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from moto.iot.models import FakeCertificate, iot_backends

from sandbox.devices import jitp
from sandbox.devices.admission import Holding, KnownDevice
from sandbox.identity.service_roles import NotAllowed, assumable, require
from sandbox.iot import ca_certificates as ca
from sandbox.iot import things
from sandbox.iot.backend import IoTBackend, backend_of
from sandbox.iot.device_permissions import find_thing


def holdings(certificate_id: str, region: str) -> Iterator[Holding]:
    """Yield what every account has in ``region`` that matters to a certificate's device."""
    for account in list(iot_backends):
        if region in iot_backends[account]:
            backend = backend_of(account, region)
            held = backend.certificates.get(certificate_id)
            yield Holding(
                account,
                tuple(backend.ca_store.certificates.values()),
                None if held is None else _known(backend, held),
            )


def _known(backend: IoTBackend, held: Any) -> KnownDevice:
    # moto's times are those of UTC, without saying so.
    registered = held.creation_date.replace(tzinfo=timezone.utc)
    return KnownDevice(held.status, backend.device_mode(held), held.ca_certificate_id, registered)


def register(backend: IoTBackend, certificate: x509.Certificate, held: ca.CACertificate) -> Any:
    """Register a device certificate as its first contact does: PENDING_ACTIVATION (guide)."""
    made = FakeCertificate(
        certificate.public_bytes(Encoding.PEM).decode(),
        "PENDING_ACTIVATION",
        backend.account_id,
        backend.region_name,
        held.certificate_id,
    )
    backend.device_modes[made.certificate_id] = held.mode  # blog: that of its CA
    backend.certificates[made.certificate_id] = made
    return made


# --- JITP


def provision(
    backend: IoTBackend, device: Any, certificate: x509.Certificate, held: ca.CACertificate
) -> None:
    """Carry out the template of ``held`` for ``device``. All or, with an exception, nothing.

    Raises ProvisioningFailed: the template asks for what can't be, or its role may not do it.
    """
    assert held.config is not None
    body, role_arn = _template(backend, held.config)
    given = jitp.parameters_of(certificate, device.certificate_id)
    plan = jitp.make_plan(body, given)
    try:
        # Stricter: nothing says that AWS IoT names the source when it provisions.
        role = assumable(role_arn, backend.account_id, "iot.amazonaws.com")
        for action, resource in _needs(backend, device, plan):
            require(role, action, resource)
    except NotAllowed as problem:
        raise jitp.ProvisioningFailed(str(problem)) from None
    _carry_out(backend, device, plan)


def _template(backend: IoTBackend, config: ca.RegistrationConfig) -> tuple[str, str]:
    if config.template_name is None:
        assert config.template_body is not None
        assert config.role_arn is not None
        return config.template_body, config.role_arn
    template = backend.templates.get(config.template_name)
    if template is None or not template.enabled or template.type != "JITP":
        message = f"there is no enabled template {config.template_name} of type JITP"
        raise jitp.ProvisioningFailed(message)
    return template.body, template.role_arn


def _needs(backend: IoTBackend, device: Any, plan: jitp.Plan) -> Iterator[tuple[str, str]]:
    """Yield the actions that the template's role has to be allowed, and on what.

    Checks what it meets.

    Raises ProvisioningFailed for a thing that the template doesn't want to find, and for a policy,
    group or type that isn't there.
    """
    yield "iot:UpdateCertificate", device.arn
    for policy in plan.policies:
        arn = backend.arn_of("policy", policy.name)
        if policy.name not in backend.policies:
            if policy.document is None:
                raise jitp.ProvisioningFailed(f"there is no policy {policy.name}")
            yield "iot:CreatePolicy", arn
        yield "iot:AttachPolicy", device.arn
    thing = plan.thing
    if thing is None:
        return
    arn = backend.arn_of("thing", thing.name)
    existing = find_thing(backend, thing.name)
    if existing is None:
        yield "iot:CreateThing", arn
    elif "FAIL" in thing.overrides.values():
        raise jitp.ProvisioningFailed(f"the thing {thing.name} is already there")
    elif thing.overrides:
        yield "iot:UpdateThing", arn
        payload = _payload(thing)
        if payload is not None:
            after = things.after(existing.attributes, payload)
            jitp.check_room(after, existing.thing_type is not None)
    if thing.type is not None and all(
        t.thing_type_name != thing.type for t in backend.thing_types.values()
    ):
        raise jitp.ProvisioningFailed(f"there is no thing type {thing.type}")
    for group in thing.groups:
        if all(g.thing_group_name != group for g in backend.thing_groups.values()):
            raise jitp.ProvisioningFailed(f"there is no thing group {group}")
        yield "iot:AddThingToThingGroup", backend.arn_of("thinggroup", group)
    yield "iot:AttachThingPrincipal", device.arn


def _payload(thing: jitp.Thing) -> dict[str, Any] | None:
    """Return what is done to the attributes of a thing that is there.

    The attributePayload of UpdateThing.

    None for DO_NOTHING. FAIL does not come here.
    """
    attributes = dict(thing.attributes)
    match thing.overrides.get("AttributePayload"):
        case "REPLACE":
            return {"attributes": attributes}
        case "MERGE":
            return {"attributes": attributes, "merge": True}
    return None


def _carry_out(backend: IoTBackend, device: Any, plan: jitp.Plan) -> None:
    for policy in plan.policies:
        if policy.name not in backend.policies:
            document: Any = policy.document  # text, whatever moto's annotation says
            backend.create_policy(policy.name, document)
        backend.attach_policy(policy.name, device.arn)
    thing = plan.thing
    if thing is not None:
        if find_thing(backend, thing.name) is None:
            attributes = {"attributes": dict(thing.attributes)}
            backend.create_thing(thing.name, thing.type or "", attributes)
        else:
            payload = _payload(thing)
            if payload is not None:
                backend.update_thing(thing.name, "", payload, False)
        for group in thing.groups:
            backend.add_thing_to_thing_group(group, None, thing.name, None)
        backend.attach_thing_principal(thing.name, device.arn)
    device.status = plan.status
