"""Deregister one CA: delete it, or keep it and detach what this module has added."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from iot_ca import model
from iot_ca.errors import Failure, Gone
from iot_ca.model import DeregisterRequest, ObservedCa, OnDestroy, Snapshot
from iot_ca.reconcile.execution import RemoteCa
from iot_ca.reconcile.steps import Delete, DeleteSnapshot, Tag, Untag, Update, snapshot_of
from iot_ca.reconcile.tags import require_known_tags

_DONE = {"delete": "deleted", "deactivate": "deactivated", "retain": "retained"}
# Whether AWS IoT lists all device certificates of an SNI_ONLY CA is not documented: so not "none".
_NOT_DELETED = (
    "; not deleted: certificates of its devices, if there are any, and their things and policies"
)


def deregister(request: DeregisterRequest, remote: RemoteCa) -> str:
    """Carry out a request; return what was done, in words. Raises Failure.

    It is not an error if the CA is not registered. A CA with another owner is not changed.
    """
    observed = remote.observe()
    if observed is not None:
        require_known_tags(observed, "which name the owner, and only the owner removes a CA")
    snapshot = remote.load_snapshot()
    tags = observed.tags if observed is not None else snapshot.tags if snapshot is not None else {}
    if tags.get(model.OWNER_TAG) not in (None, request.owner):
        return (
            f"left alone, since another record in a Terraform state ({model.OWNER_TAG} = "
            f"{tags[model.OWNER_TAG]}) manages it now; to take it back, apply with the CA in the "
            "map: the new record becomes the owner"
        )
    on_destroy, reason = _on_destroy(request, tags)
    if observed is None:
        if snapshot is not None and on_destroy != "delete":
            raise Failure(
                "a mode change was interrupted and the CA is not registered now, so the CA can't "
                f"be {_DONE[on_destroy]} ({reason}); apply once more before you destroy"
            )
        if snapshot is not None:
            remote.carry_out(DeleteSnapshot())
        return "not registered, nothing to do"
    detached = ""
    if on_destroy == "delete":
        _delete(remote, request, observed, reason)
    else:
        detached = _keep(remote, request.template_name, on_destroy, observed, snapshot)
    if snapshot is not None:
        remote.carry_out(DeleteSnapshot())
    stays = _NOT_DELETED if on_destroy == "delete" else ""
    return f"{detached}{_DONE[on_destroy]}, since {reason}{stays}"


def auto_registration_tag(observed: ObservedCa) -> Tag:
    """Return the step that tags a CA with what auto-registration is.

    See ObservedCa.auto_registration_to_keep.
    """
    status = model.auto_registration_status(observed.auto_registration)
    return Tag({model.REVISION_TAG: f"{model.KEEP_AUTO_REGISTRATION}{status}"})


def _on_destroy(request: DeregisterRequest, tags: Mapping[str, str]) -> tuple[OnDestroy, str]:
    """Return what to do with the CA, and why."""
    if request.on_destroy is not None:
        return request.on_destroy, "on_destroy says so"
    if model.origin_in(tags) == "registered":
        return "delete", "this module registered it"
    return "retain", "this module only adopted it"


def _delete(
    remote: RemoteCa, request: DeregisterRequest, observed: ObservedCa, reason: str
) -> None:
    _require_no_devices(remote, request, reason)
    if observed.status == "ACTIVE":
        remote.carry_out(Update(status="INACTIVE"))
        with _active_if_refused(remote):
            # An INACTIVE CA registers no more devices, so this check can't be outdated.
            _require_no_devices(remote, request, reason)
            remote.carry_out(Delete())
    else:
        remote.carry_out(Delete())


@contextmanager
def _active_if_refused(remote: RemoteCa) -> Iterator[None]:
    """Set the CA ACTIVE again if the block fails; raise Failure with why, and what the CA is."""
    try:
        yield
    except Failure as failure:
        try:
            remote.carry_out(Update(status="ACTIVE"))
        except Gone:
            # Deleted after all, by a call whose answer was lost: the next run finds nothing to do.
            pass
        except Failure as second:
            raise Failure(
                f"{failure}; the CA is INACTIVE now, so that new devices are refused: run again to "
                f"delete it, or apply to set it ACTIVE, which has failed now: {second}"
            ) from failure
        raise


def _require_no_devices(remote: RemoteCa, request: DeregisterRequest, reason: str) -> None:
    """Raise Failure if the CA has device certificates, unless the request forces its deletion."""
    if request.force_destroy:
        return
    count, more = remote.ca_certificates.count_device_certificates(remote.certificate_id)
    if not count:
        return
    number = f"more than {count}" if more else count
    noun = "device certificate" if count == 1 else "device certificates"
    raise Failure(
        f"the CA can't be deleted ({reason}): it has {number} registered {noun}; delete them, or "
        "first apply force_destroy = true or another on_destroy; to list them: aws iot "
        f"list-certificates-by-ca --region {request.target.region} "
        f"--ca-certificate-id {remote.certificate_id}"
    )


def _keep(
    remote: RemoteCa,
    template_name: str | None,
    on_destroy: OnDestroy,
    observed: ObservedCa,
    snapshot: Snapshot | None,
) -> str:
    """Detach the template and the module's own tags; return what was done, in words.

    The status changes only to INACTIVE, or back to what it was before an unfinished mode change.
    """
    own_tags = {key for key in observed.tags if key.startswith(model.TAG_PREFIX)}
    detached = ""
    if template_name is not None and template_name == observed.template_name:
        _detach_template(remote, observed)
        own_tags.add(model.REVISION_TAG)
        detached = f"template {template_name} detached, "
    elif observed.auto_registration_to_keep not in (None, observed.auto_registration):
        remote.carry_out(Update(auto_registration=observed.auto_registration_to_keep))
    status = observed.status if snapshot is None else snapshot_of(observed, snapshot).status
    if on_destroy == "deactivate":
        status = "INACTIVE"
    if observed.status != status:
        remote.carry_out(Update(status=status))
    if own_tags:
        # A record that adopts the CA later must not take it for its own.
        remote.carry_out(Untag(tuple(sorted(own_tags))))
    return detached


def _detach_template(remote: RemoteCa, observed: ObservedCa) -> None:
    """Detach the template, and set auto-registration to what it was.

    Whether detaching disables auto-registration is not documented. A tag says what it was, for the
    run that finishes an interrupted one.
    """
    enabled = observed.auto_registration_to_keep
    if enabled is None:
        enabled = observed.auto_registration
        remote.carry_out(auto_registration_tag(observed))
    remote.carry_out(Update(remove_registration_config=True))
    remote.carry_out(Update(auto_registration=enabled))
