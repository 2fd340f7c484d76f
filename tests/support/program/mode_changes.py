"""What the tests of mode changes have in common."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from iot_ca.model import ORIGIN_TAG, REVISION_TAG
from tests.support.certificates import key_pem
from tests.support.messages import assert_tells_nothing_of
from tests.support.program.fake_aws import FakeAws
from tests.support.program.in_process import KEY, WHERE, Program, authority, identity
from tests.support.program.refused import Refused

UNMANAGED = {"theirs": "1", "cost centre": "42", "x": ""}
GROUP = f"iot-ca-mode-change-{identity()}"
PROBE = "RegisterCACertificate"


def registered(
    program: Program, aws: FakeAws, mode: str, proof: dict[str, str], **more: Any
) -> dict[str, Any]:
    """A CA in a mode, with tags of others on it; returns what is wanted next: the other mode."""
    verification = proof if mode == "DEFAULT" else None
    settings = {"template_name": "t", "tags": {"a": "1"}, **more}
    before = authority(certificate_mode=mode, verification=verification, **settings)
    program.register(before, program.inspect({"root": before})["root"]["revision"])
    aws.tags[identity()].update(UNMANAGED)
    aws.calls.clear()
    aws.requests.clear()
    other = "SNI_ONLY" if mode == "DEFAULT" else "DEFAULT"
    allowed = {"allow_mode_change": True, "verification": proof}
    return authority(certificate_mode=other, **{**settings, **allowed})


def snapshot(aws: FakeAws) -> Any:
    """All that AWS IoT has."""
    return copy.deepcopy((aws.cas, aws.tags, aws.groups))


def refused(program: Program, wanted: Any, command: str = "register") -> str:
    """The one line with which a command fails; without the words that name the CA."""
    request = program.request_to_register(wanted, "change 2")
    status, out, err = (
        program.query({"root": wanted})
        if command == "inspect"
        else program.request("register", request)
    )
    assert (status, out) == (1, "")
    (line,) = err
    assert line.startswith(f"iot_ca: root ({WHERE}): ")
    assert_tells_nothing_of(key_pem(KEY), line)
    return line.removeprefix(f"iot_ca: root ({WHERE}): ")


def assert_changed(aws: FakeAws, mode: str, revision: str = "change 2") -> None:
    """The CA is registered in the mode, all is as it was otherwise, and nothing is left over."""
    ca = aws.cas[identity()]
    description = ca["certificateDescription"]
    assert description["certificateMode"] == mode
    assert description["status"] == "ACTIVE"
    assert description["autoRegistrationStatus"] == "ENABLE"
    assert ca["registrationConfig"] == {"templateName": "t"}
    tags = aws.tags[identity()]
    assert UNMANAGED.items() <= tags.items()
    assert (tags["a"], tags[ORIGIN_TAG], tags[REVISION_TAG]) == ("1", "registered", revision)
    assert aws.groups == {}


MODES = ["SNI_ONLY", "DEFAULT"]


def fail(
    aws: FakeAws,
    operation: str,
    *which: int,
    after: bool = False,
    code: str = "InvalidRequestException",
) -> None:
    """Let the calls of an operation fail whose numbers are given, or all of them.

    With `after` they have their effect nevertheless.
    """
    real: Callable[..., Any] = getattr(aws, f"_{operation}")
    count = 0

    def answer(**request: Any) -> Any:
        nonlocal count
        count += 1
        if which and count not in which:
            return real(**request)
        if after:
            real(**request)
        raise Refused(code, "sorry")

    setattr(aws, f"_{operation}", answer)


def kill(aws: FakeAws, at: int, after: bool) -> None:
    """End the program, as far as it can tell, at a call: before its effect or after it."""
    seen = 0

    def before(operation: str) -> None:
        nonlocal seen
        if operation not in aws.WRITES:
            return
        seen += 1
        if seen == at + after:
            raise KeyboardInterrupt

    aws.before = before
