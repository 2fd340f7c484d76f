"""What a template says of every device, whichever it is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from iot_ca.model import Target
from iot_ca.provisioning.checks.template import checks_for_any_device
from iot_ca.provisioning.facts import Location, Template, Unreadable

SEEN = Location(Target("111111111111", "eu-west-1"), "aws")
DENIED = Unreadable("may not call iot:GetPolicy")


def template(**resources: dict[str, Any]) -> Template:
    body = {
        "Resources": {
            kind: {"Type": f"AWS::IoT::{kind}", "Properties": properties}
            for kind, properties in resources.items()
        }
    }
    return Template("t", "JITP", True, json.dumps(body), "arn:aws:iam::1:role/r")


@pytest.mark.parametrize(
    ("resources", "policies", "found"),
    [
        ({"Certificate": {"Status": "ACTIVE"}}, {}, [("provisioned status", True)]),
        ({"Certificate": {"status": "INACTIVE"}}, {}, [("provisioned status", False)]),
        # A reference depends on the device.
        ({"Certificate": {"Status": {"Ref": "x"}}}, {}, []),
        (
            {"Policy": {"PolicyName": "p"}},
            {"p": None},
            [("template policy", False), ("provisioned status", True)],
        ),
        (
            {"Policy": {"PolicyName": "p"}},
            {"p": DENIED},
            [("template policy", None), ("provisioned status", True)],
        ),
        (
            {"Policy": {"policyname": "p"}},
            {"p": "{}"},
            [("template policy", True), ("provisioned status", True)],
        ),
        ({"Policy": {"PolicyDocument": "{}"}}, {}, [("provisioned status", True)]),
        ({"Policy": {"PolicyName": {"Ref": "x"}}}, {}, [("provisioned status", True)]),
    ],
)
def test_what_holds_for_every_device_is_checked_without_one(
    resources: dict[str, Any], policies: dict[str, Any], found: list[tuple[str, bool | None]]
) -> None:
    checks = checks_for_any_device(SEEN, template(**resources), policies)
    assert [(check.check, check.ok) for check in checks] == found


def test_a_template_that_leaves_certificates_inactive_can_be_repaired() -> None:
    (check,) = checks_for_any_device(SEEN, template(Certificate={"Status": "INACTIVE"}), {})
    assert check.finding == "the template leaves the device's certificate INACTIVE"
    assert check.remedy is not None
    assert '"Status":"ACTIVE"' in check.remedy
