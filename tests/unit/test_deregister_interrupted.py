"""`deregister` after an interrupted run."""

from __future__ import annotations

import copy

import pytest

from tests.support.certificates import issue, pem
from tests.support.program.fake_aws import FakeAws
from tests.support.program.fake_iot import CODE
from tests.support.program.in_process import KEY, ROOT, TARGET, Program, authority, identity


@pytest.mark.parametrize("removal_disables", [False, True])
@pytest.mark.parametrize(("auto_registration", "status"), [(True, "ENABLE"), (False, "DISABLE")])
@pytest.mark.parametrize("on_destroy", ["retain", "deactivate"])
def test_an_interrupted_deregistration_is_completed(
    program: Program,
    aws: FakeAws,
    on_destroy: str,
    auto_registration: bool,
    status: str,
    removal_disables: bool,
) -> None:
    aws.removal_disables = removal_disables
    program.register(
        authority(template_name="t", auto_registration=auto_registration, tags={"a": "1"})
    )
    start = copy.deepcopy((aws.cas, aws.tags))
    settings = {"template_name": "t", "on_destroy": on_destroy}
    aws.calls.clear()
    program.deregister(identity(), **settings)
    end, calls = copy.deepcopy((aws.cas, aws.tags)), len(aws.writes)
    assert calls == (4 if on_destroy == "retain" else 5)
    for at in range(1, calls + 1):
        aws.cas, aws.tags = copy.deepcopy(start)
        interrupt(aws, at)
        request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
        assert program.request("deregister", {**request, **settings})[0] == 1
        aws.before = lambda _: None
        program.deregister(identity(), **settings)
        assert (aws.cas, aws.tags) == end
        description = aws.cas[identity()]["certificateDescription"]
        assert description["autoRegistrationStatus"] == status
        assert aws.cas[identity()]["registrationConfig"] == {}
        assert aws.tags[identity()] == {"a": "1"}


def interrupt(aws: FakeAws, at: int) -> None:
    """End the program before the effect of a call that writes: the first is 1."""
    seen = 0

    def before(operation: str) -> None:
        nonlocal seen
        seen += operation in aws.WRITES
        if operation in aws.WRITES and seen == at:
            raise KeyboardInterrupt

    aws.before = before


def half_way(program: Program, aws: FakeAws, at: int) -> None:
    """A change from SNI_ONLY to DEFAULT mode that ended before its call number `at`."""
    program.register(authority(tags={"a": "1"}))
    aws.tags[identity()]["theirs"] = "1"
    proof = {"certificate_pem": pem(issue(KEY, common_name=CODE, issuer=ROOT, is_ca=False))}
    wanted = authority(
        certificate_mode="DEFAULT", verification=proof, allow_mode_change=True, tags={"a": "1"}
    )
    # Two of its calls before that are only tried.
    interrupt(aws, at + 2)
    status, _, err = program.request("register", program.request_to_register(wanted))
    assert (status, len(err)) == (1, 1)
    aws.before = lambda _: None
    assert len(aws.groups) == 1
    aws.calls.clear()


def test_retaining_restores_the_status_before_a_mode_change(program: Program, aws: FakeAws) -> None:
    half_way(program, aws, 3)
    assert aws.cas[identity()]["certificateDescription"]["status"] == "INACTIVE"
    assert "retained" in program.deregister(identity(), on_destroy="retain")
    assert aws.cas[identity()]["certificateDescription"]["status"] == "ACTIVE"
    assert aws.tags[identity()] == {"a": "1", "theirs": "1"}
    assert aws.groups == {}


def test_a_ca_deleted_by_a_mode_change_cannot_be_retained(program: Program, aws: FakeAws) -> None:
    half_way(program, aws, 4)
    assert aws.cas == {}
    request = {"name": "root", "target": TARGET, "certificate_id": identity(), "owner": "me"}
    for on_destroy in ("retain", "deactivate"):
        done = program.request("deregister", {**request, "on_destroy": on_destroy})
        assert done[:2] == (1, "")
        (line,) = done[2]
        assert "a mode change was interrupted and the CA is not registered now" in line
        assert "apply once more before you destroy" in line
    assert aws.writes == []
    # The snapshot also says that this module registered it.
    assert "not registered, nothing to do" in program.deregister(identity())
    assert aws.groups == {}


def test_an_unfinished_mode_change_of_another_owner_stays(program: Program, aws: FakeAws) -> None:
    half_way(program, aws, 4)
    assert "left alone" in program.deregister(identity(), owner="another")
    assert aws.writes == []
