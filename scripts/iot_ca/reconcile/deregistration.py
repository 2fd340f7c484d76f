"""Take one CA out of the account, or off this module's hands."""

from __future__ import annotations

from collections.abc import Mapping

from iot_ca import model
from iot_ca.aws.registry import Registry
from iot_ca.errors import Failure
from iot_ca.model import DeregisterRequest, ObservedCa, OnDestroy, Snapshot
from iot_ca.reconcile import drift
from iot_ca.reconcile.drift import Untag, Update

_LEFT = {"delete": "deleted", "deactivate": "deactivated", "retain": "retained"}


def leave(request: DeregisterRequest) -> str:
    """Carry out a request; returns what was done, in words. Raises Failure.

    A CA that is gone already is no error, and one that somebody else owns is left alone.
    """
    registry = Registry(request.target)
    certificate_id = request.certificate_id
    observed = registry.observe_one(certificate_id)
    memory = registry.recall(certificate_id)
    tags = observed.tags if observed is not None else memory.tags if memory is not None else {}
    if tags.get(model.OWNER_TAG) not in (None, request.owner):
        return "left alone, since another record in a Terraform state manages it now"
    on_destroy, why = _what_to_do(request, tags)
    if observed is None:
        if memory is not None and on_destroy != "delete":
            raise Failure(
                f"a change of its mode was interrupted and it is not registered now, but is to be "
                f"{_LEFT[on_destroy]}, since {why}; apply once more before you destroy"
            )
        if memory is not None:
            registry.forget(certificate_id)
        return "not registered, nothing to do"
    done = ""
    if on_destroy == "delete":
        _delete(registry, request, observed, why)
    else:
        done = _stay(registry, request, observed, memory, on_destroy)
    if memory is not None:
        registry.forget(certificate_id)
    return f"{done}{_LEFT[on_destroy]}, since {why}"


def _what_to_do(request: DeregisterRequest, tags: Mapping[str, str]) -> tuple[OnDestroy, str]:
    if request.on_destroy is not None:
        return request.on_destroy, "on_destroy says so"
    if model.origin_in(tags) == "registered":
        return "delete", "this module registered it"
    return "retain", "this module only adopted it"


def _delete(registry: Registry, request: DeregisterRequest, observed: ObservedCa, why: str) -> None:
    certificate_id = request.certificate_id
    _refuse_with_devices(registry, request, why)
    if observed.status == "ACTIVE":
        registry.update(certificate_id, Update(status="INACTIVE"))
        try:
            # From now on no new one can be registered.
            _refuse_with_devices(registry, request, why)
        except Failure:
            registry.update(certificate_id, Update(status="ACTIVE"))
            raise
    registry.delete(certificate_id)


def _refuse_with_devices(registry: Registry, request: DeregisterRequest, why: str) -> None:
    if not request.force_destroy and (devices := registry.devices(request.certificate_id)):
        raise Failure(
            f"it is to be deleted, since {why}, but AWS IoT has {devices} that it has signed "
            f"(aws iot list-certificates-by-ca --region {request.target.region} "
            f"--ca-certificate-id {request.certificate_id}): delete them and run again; or, with "
            "it in the map, apply force_destroy = true (they stay registered then), or on_destroy "
            '= "deactivate" or "retain", before it leaves the map'
        )


def _stay(
    registry: Registry,
    request: DeregisterRequest,
    observed: ObservedCa,
    memory: Snapshot | None,
    on_destroy: OnDestroy,
) -> str:
    """Take off a CA that stays what goes: the template, the module's own tags, and its activity.

    All else stays as it is. Returns what was done beside that, in words.
    """
    certificate_id = request.certificate_id
    own = {key for key in observed.tags if key.startswith(model.TAG_PREFIX)}
    attached = request.template_name is not None and request.template_name == observed.template_name
    auto_registration = observed.auto_registration
    if observed.auto_registration_to_keep is not None:
        auto_registration = observed.auto_registration_to_keep
    elif attached:
        # Whether taking the template off switches auto-registration off is not documented; and
        # whoever finishes an interrupted run must know what it was.
        registry.tag(certificate_id, drift.keep_auto_registration(observed))
        own.add(model.REVISION_TAG)
    if attached:
        registry.update(certificate_id, Update(remove_registration_config=True))
    if attached or auto_registration != observed.auto_registration:
        registry.update(certificate_id, Update(auto_registration=auto_registration))
    status = observed.status if memory is None else drift.before_change(observed, memory).status
    if on_destroy == "deactivate":
        status = "INACTIVE"
    if observed.status != status:
        registry.update(certificate_id, Update(status=status))
    # Whoever adopts it next must not take it for its own.
    if own:
        registry.untag(certificate_id, Untag(tuple(sorted(own))))
    return f"template {request.template_name} detached, " if attached else ""
