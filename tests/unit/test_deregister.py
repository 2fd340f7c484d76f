"""`deregister`, from the request to the calls."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from iot_ca.model import ORIGIN_TAG, OWNER_TAG, TAG_PREFIX
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import TARGET, WHERE, Program, authority, identity
from tests.support.program.refused import Refused


def test_a_registered_ca_is_deleted(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    assert program.deregister(identity()) == (
        f"iot_ca: root ({WHERE}): deleted, since this module registered it; not deleted: "
        "certificates of its devices, if there are any, and their things and policies\n"
    )
    assert aws.cas == {}
    assert "not registered, nothing to do" in program.deregister(identity())


def adopted(program: Program, aws: FakeAws, **settings: Any) -> None:
    """A CA that was registered without the module, and that the module has adopted."""
    program.register(authority(**settings))
    aws.tags[identity()] = {}
    program.register(authority(**settings))


def test_an_adopted_ca_is_retained(program: Program, aws: FakeAws) -> None:
    adopted(program, aws)
    before = copy.deepcopy(aws.cas)
    assert "retained, since this module only adopted it" in program.deregister(identity())
    assert aws.cas == before


@pytest.mark.parametrize(
    ("on_destroy", "left"), [("delete", None), ("deactivate", "INACTIVE"), ("retain", "ACTIVE")]
)
@pytest.mark.parametrize("origin", ["registered", "adopted"])
def test_on_destroy_overrides_the_origin(
    program: Program, aws: FakeAws, on_destroy: str, left: str | None, origin: str
) -> None:
    if origin == "adopted":
        adopted(program, aws)
    else:
        program.register(authority())
    said = program.deregister(identity(), on_destroy=on_destroy)
    assert "since on_destroy says so" in said
    if left is None:
        assert aws.cas == {}
    else:
        assert aws.cas[identity()]["certificateDescription"]["status"] == left


@pytest.mark.parametrize("removal_disables", [False, True])
def test_a_retained_ca_loses_only_the_template(
    program: Program, aws: FakeAws, removal_disables: bool
) -> None:
    aws.removal_disables = removal_disables
    adopted(program, aws, template_name="t")
    said = program.deregister(identity(), template_name="t")
    assert "template t detached" in said
    assert aws.cas[identity()]["registrationConfig"] == {}
    assert aws.cas[identity()]["certificateDescription"]["status"] == "ACTIVE"
    assert aws.cas[identity()]["certificateDescription"]["autoRegistrationStatus"] == "ENABLE"


@pytest.mark.parametrize("removal_disables", [False, True])
@pytest.mark.parametrize(("auto_registration", "status"), [(True, "ENABLE"), (False, "DISABLE")])
def test_auto_registration_is_set_after_detaching(
    program: Program,
    aws: FakeAws,
    auto_registration: bool,
    status: str,
    removal_disables: bool,
) -> None:
    # What AWS answers right after the removal may be what was before it: nothing to rely on.
    aws.removal_disables = removal_disables
    adopted(program, aws, template_name="t", auto_registration=auto_registration)
    aws.calls.clear()
    aws.requests.clear()
    program.deregister(identity(), template_name="t")
    requests = [
        request
        for call, request in zip(aws.calls, aws.requests, strict=True)
        if call == "UpdateCACertificate"
    ]
    assert requests == [
        {"certificateId": identity(), "removeAutoRegistration": True},
        {"certificateId": identity(), "newAutoRegistrationStatus": status},
    ]
    assert aws.cas[identity()]["certificateDescription"]["autoRegistrationStatus"] == status


@pytest.mark.parametrize("on_destroy", ["retain", "deactivate"])
@pytest.mark.parametrize("origin", ["registered", "adopted"])
def test_a_kept_ca_keeps_all_but_the_modules_own_tags(
    program: Program, aws: FakeAws, on_destroy: str, origin: str
) -> None:
    settings: dict[str, Any] = {"tags": {"a": "1", "b": "2"}}
    if origin == "adopted":
        adopted(program, aws, **settings)
    else:
        program.register(authority(**settings))
    stay = {"a": "1", "b": "2", "iot-ca": "no prefix", "theirs": "iot-ca:origin", "x-iot-ca:y": ""}
    aws.tags[identity()].update(stay)
    # As another version of the module may have left it.
    aws.tags[identity()][TAG_PREFIX + "other"] = "1"
    program.deregister(identity(), on_destroy=on_destroy)
    assert aws.tags[identity()] == stay
    # Only when all else is done: a run that dies before can be made again.
    assert aws.writes[-1] == "UntagResource"
    # The next owner does not delete it.
    program.register(authority(), "adopt 2", owner="next")
    assert aws.tags[identity()][ORIGIN_TAG] == "adopted"
    assert "retained" in program.deregister(identity(), owner="next")
    assert identity() in aws.cas


def test_a_ca_without_own_tags_is_not_changed(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    aws.tags[identity()] = {"theirs": "1"}
    aws.calls.clear()
    assert "retained" in program.deregister(identity())
    assert aws.writes == []
    assert aws.tags[identity()] == {"theirs": "1"}


def test_the_template_of_another_tool_stays(program: Program, aws: FakeAws) -> None:
    adopted(program, aws, template_name="theirs")
    aws.calls.clear()
    program.deregister(identity(), template_name="t")
    assert aws.writes == ["UntagResource"]
    assert aws.cas[identity()]["registrationConfig"] == {"templateName": "theirs"}


def test_a_ca_with_another_owner_is_not_changed(program: Program, aws: FakeAws) -> None:
    program.register(authority(), owner="another")
    assert aws.tags[identity()][OWNER_TAG] == "another"
    aws.calls.clear()
    said = program.deregister(identity(), on_destroy="delete")
    assert "left alone, since another record in a Terraform state (iot-ca:owner = another)" in said
    assert aws.writes == []
    # What the line says is true.
    assert "to take it back, apply with the CA in the map: the new record becomes" in said
    program.register(authority(), "adopt 2", owner="new")
    assert "deleted" in program.deregister(identity(), owner="new")


def test_a_ca_with_registered_devices_is_not_deleted(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    before = copy.deepcopy((aws.cas, aws.tags))
    aws.devices[identity()] = 3
    aws.calls.clear()
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    for more, why in (({}, "this module registered it"), ({"on_destroy": "delete"}, "on_destroy")):
        status, out, err = program.request("deregister", {**request, **more})
        assert (status, out) == (1, "")
        (line,) = err
        assert line.startswith(f"iot_ca: root ({WHERE}): the CA can't be deleted ({why}")
        assert "it has 3 registered device certificates; delete them, or first apply" in line
        assert "force_destroy = true" in line
        assert line.endswith(f" --region eu-west-1 --ca-certificate-id {identity()}")
    assert (aws.cas, aws.tags) == before
    assert aws.writes == []


def test_a_device_registered_meanwhile_stops_the_deletion(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    before = copy.deepcopy((aws.cas, aws.tags))

    def device(operation: str) -> None:
        if operation == "UpdateCACertificate":
            aws.devices[identity()] = 1

    aws.before = device
    aws.calls.clear()
    aws.requests.clear()
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, out, (line,) = program.request("deregister", request)
    assert (status, out) == (1, "")
    assert "1 registered device certificate;" in line
    # Nothing is different, and the device can connect.
    assert (aws.cas, aws.tags) == before
    assert aws.writes == ["UpdateCACertificate"] * 2
    assert aws.sent("UpdateCACertificate")[1]["newStatus"] == "ACTIVE"


def test_a_ca_whose_owner_is_unknown_is_not_changed(program: Program, aws: FakeAws) -> None:
    program.register(authority(), owner="another")
    aws.faults["ListTagsForResource"] = ("ResourceNotFoundException", "not yet")
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    for on_destroy in ("delete", "deactivate", "retain", None):
        status, _, (line,) = program.request("deregister", {**request, "on_destroy": on_destroy})
        assert status == 1
        assert "AWS IoT does not answer the tags of the CA at the moment, which name the" in line
        assert "run again in a minute" in line
    assert aws.writes == ["RegisterCACertificate"]


def test_a_refused_deletion_sets_the_ca_active_again(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    before = copy.deepcopy((aws.cas, aws.tags))
    aws.faults["DeleteCACertificate"] = ("InvalidRequestException", "the first reason")
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, _, (line,) = program.request("deregister", request)
    assert status == 1
    assert "the first reason" in line
    assert (aws.cas, aws.tags) == before


@pytest.mark.parametrize("devices", [0, 1])
def test_a_ca_that_stays_inactive_is_named_with_the_first_reason(
    program: Program, aws: FakeAws, devices: int
) -> None:
    program.register(authority())

    def refuse(operation: str) -> None:
        if operation == "UpdateCACertificate" and "UpdateCACertificate" in aws.calls:
            aws.faults["UpdateCACertificate"] = ("InvalidRequestException", "the second reason")
        elif operation == "UpdateCACertificate":
            aws.devices[identity()] = devices

    aws.before = refuse
    aws.faults["DeleteCACertificate"] = ("InvalidRequestException", "the first reason")
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, _, (line,) = program.request("deregister", request)
    assert status == 1
    first = "1 registered device certificate;" if devices else "the first reason"
    assert 0 < line.index(first) < line.index("the CA is INACTIVE now")
    assert line.index("the CA is INACTIVE now") < line.index("the second reason")
    assert aws.cas[identity()]["certificateDescription"]["status"] == "INACTIVE"


def test_a_deletion_whose_answer_is_lost_is_completed_later(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    delete = aws._DeleteCACertificate

    def deleted(**names: str) -> None:
        delete(**names)
        raise Refused("ServiceUnavailableException", "the answer is lost")

    aws._DeleteCACertificate = deleted  # type: ignore[method-assign]
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, _, (line,) = program.request("deregister", request)
    assert status == 1
    assert "the answer is lost" in line
    assert "INACTIVE" not in line
    assert "not registered, nothing to do" in program.deregister(identity())


def test_devices_of_an_inactive_ca_are_counted_once(program: Program, aws: FakeAws) -> None:
    program.register(authority(status="INACTIVE"))
    aws.devices[identity()] = 1
    aws.calls.clear()
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    assert program.request("deregister", request)[0] == 1
    assert aws.calls.count("ListCertificatesByCA") == 1
    assert aws.writes == []


def test_force_destroy_deletes_a_ca_with_devices(program: Program, aws: FakeAws) -> None:
    program.register(authority())
    aws.devices[identity()] = 3
    assert "deleted" in program.deregister(identity(), force_destroy=True)
    assert aws.cas == {}
    # Who does not care need not be able to ask.
    assert "ListCertificatesByCA" not in aws.calls


@pytest.mark.parametrize("on_destroy", ["deactivate", "retain"])
def test_devices_of_a_kept_ca_are_not_counted(
    program: Program, aws: FakeAws, on_destroy: str
) -> None:
    program.register(authority())
    aws.devices[identity()] = 3
    program.deregister(identity(), on_destroy=on_destroy)
    assert identity() in aws.cas
    assert "ListCertificatesByCA" not in aws.calls


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "it has 1 registered device certificate;"),
        (2, "it has 2 registered device certificates;"),
        (250, "it has 250 registered device certificates;"),
        (251, "it has more than 250 registered device certificates;"),
    ],
)
def test_the_number_of_devices_is_in_the_message(
    program: Program, aws: FakeAws, count: int, text: str
) -> None:
    program.register(authority())
    aws.devices[identity()] = count
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    status, _, (line,) = program.request("deregister", request)
    assert status == 1
    assert text in line
