"""What the tests of AWS calls have in common."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.model import Snapshot, Target
from iot_ca.reconcile.steps import Register
from tests.support.program.fake_aws import ACCOUNT, REGION

TARGET = Target(ACCOUNT, REGION)
SNAPSHOT = Snapshot(
    "DEFAULT", "ACTIVE", False, {"templateName": "t"}, {"a": "1", "b": "", "c": "3"}
)


def registration(certificate: Certificate) -> Register:
    """A registration in SNI_ONLY mode, with a template and a tag."""
    config = {"templateName": "template"}
    return Register(certificate, "SNI_ONLY", True, True, config, {"a": "1"})


def id_of(certificate: Certificate) -> str:
    """The certificate's ID."""
    return certificate.certificate_id


def refusal(work: Callable[[], object]) -> str:
    """The message with which something fails, which is one line."""
    with pytest.raises(Failure) as caught:
        work()
    said = str(caught.value)
    assert len(said.splitlines()) == 1
    return said


ENDPOINT = {"endpoint_url": f"https://iot.example/cacertificate/{'a' * 64}"}
