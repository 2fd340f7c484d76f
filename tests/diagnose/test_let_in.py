"""A device that is fine is never called refused, whatever its CA, mode and provisioning."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import new_ca, rsa_key
from tests.support.diagnose.jitr_cases import rule_of_former_ca
from tests.support.diagnose.refusal import child_of, renewed
from tests.support.diagnose.scene import POLICY, THING, Scene, carry_out
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION

Act = Callable[[Scene], None]

MODES = ("SNI_ONLY", "DEFAULT")
PROVISIONING: dict[str, Callable[..., None]] = {
    "JITP": lambda scene, mode: scene.jitp(mode),
    "JITR": lambda scene, mode: scene.jitr(mode),
}


def without_server_name(scene: Scene) -> None:
    scene.send_chain(scene.ca)
    scene.server_name = None


def jitp_without_sni(scene: Scene) -> None:
    scene.jitp("DEFAULT")
    without_server_name(scene)


def jitr_without_sni(scene: Scene) -> None:
    scene.jitr("DEFAULT")
    without_server_name(scene)


def next_to_its_root(scene: Scene) -> None:
    fleet.register(scene.aws, scene.ca, scene.account)
    scene.ca = child_of(scene.ca)
    scene.jitp()
    scene.reissue()


def next_to_a_namesake(scene: Scene) -> None:
    fleet.register(scene.aws, new_ca("Fleet CA"), scene.account)
    scene.jitp()


def of_a_renewed_ca(scene: Scene) -> None:
    fleet.register(scene.aws, renewed(scene.ca), scene.account, setAsActive=False)
    scene.jitp()


def with_rsa(scene: Scene) -> None:
    scene.jitp()
    scene.reissue(key=rsa_key(2048))


def whose_thing_exists(scene: Scene) -> None:
    scene.iot.create_thing(thingName=THING)
    scene.jitp()


def with_an_inline_template(scene: Scene) -> None:
    config = {
        "templateBody": scene.template(),
        "roleArn": fleet.provisioning_role(scene.aws, scene.account),
    }
    fleet.register(scene.aws, scene.ca, scene.account, registrationConfig=config)


def with_an_inline_role_policy(scene: Scene) -> None:
    scene.jitp()
    role = f"jitp-{REGION}"
    scene.iam.detach_role_policy(RoleName=role, PolicyArn=fleet.THINGS_REGISTRATION)
    actions = ["UpdateCertificate", "CreatePolicy", "AttachPolicy", "CreateThing"]
    may = {
        "Effect": "Allow",
        "Action": [f"iot:{action}" for action in [*actions, "AttachThingPrincipal"]],
        "Resource": f"arn:aws:iot:{REGION}:{scene.account}:*",
        "Condition": {"StringEquals": {"aws:RequestedRegion": REGION}},
    }
    scene.iam.put_role_policy(RoleName=role, PolicyName="may", PolicyDocument=fleet.policy(may))


def with_type_group_and_named_policy(scene: Scene) -> None:
    scene.create_policy()
    scene.iot.create_thing_type(thingTypeName="sensor")
    scene.iot.create_thing_group(thingGroupName="sensors")
    properties = {"ThingTypeName": "sensor", "ThingGroups": ["sensors"]}
    document = json.loads(scene.template(thing=properties))
    document["Resources"]["policy"]["Properties"] = {"PolicyName": POLICY}
    scene.jitp(body=json.dumps(document))


def with_a_rule_for_all_cas(scene: Scene) -> None:
    scene.create_function()
    scene.create_rule("+")
    fleet.register(scene.aws, scene.ca, scene.account)


def next_to_a_rule_of_a_former_ca(scene: Scene) -> None:
    rule_of_former_ca(scene)
    topic = f"$aws/events/certificates/registered/{scene.ca.id}"
    function = f"arn:aws:lambda:{REGION}:{scene.account}:function:jitr"
    payload = {
        "sql": f"SELECT * FROM '{topic}'",
        "actions": [{"lambda": {"functionArn": function}}],
    }
    scene.iot.create_topic_rule(ruleName="current", topicRulePayload=payload)
    scene.functions.add_permission(
        FunctionName="jitr",
        StatementId="current",
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        SourceArn=f"arn:aws:iot:{REGION}:{scene.account}:rule/current",
    )


def that_waits_for_its_rule(scene: Scene) -> None:
    scene.jitr()
    scene.iot.disable_topic_rule(ruleName="registered")
    assert not scene.visit().accepted
    scene.iot.enable_topic_rule(ruleName="registered")


NEW: dict[str, Act] = {
    **{
        f"{mode} {kind}": partial(arrange, mode=mode)
        for mode in MODES
        for kind, arrange in PROVISIONING.items()
    },
    "JITP without a server name": jitp_without_sni,
    "JITR without a server name": jitr_without_sni,
    "next to its root": next_to_its_root,
    "next to a CA of the same name": next_to_a_namesake,
    "of a CA that was renewed with its key": of_a_renewed_ca,
    "with an RSA key": with_rsa,
    "whose thing exists": whose_thing_exists,
    "with a template body in the CA": with_an_inline_template,
    "with a role that has a policy of its own": with_an_inline_role_policy,
    "with thing type, group and policy by name": with_type_group_and_named_policy,
    "with a rule for all CAs": with_a_rule_for_all_cas,
    "next to a rule of a former CA": next_to_a_rule_of_a_former_ca,
    "that waits for a rule that is enabled again": that_waits_for_its_rule,
}


def deactivate_ca(scene: Scene) -> None:
    scene.iot.update_ca_certificate(certificateId=scene.ca.id, newStatus="INACTIVE")


def delete_ca(scene: Scene) -> None:
    deactivate_ca(scene)
    scene.iot.delete_ca_certificate(certificateId=scene.ca.id)


def disable_template(scene: Scene) -> None:
    scene.iot.update_provisioning_template(templateName="fleet", enabled=False)


# What no longer matters to a device that is known.
AFTERWARDS: dict[str, tuple[str, Act]] = {
    "whose CA is inactive": ("SNI_ONLY JITP", deactivate_ca),
    "whose CA was deleted": ("SNI_ONLY JITP", delete_ca),
    "whose template is disabled": ("DEFAULT JITP", disable_template),
    "whose function is gone": (
        "DEFAULT JITR",
        lambda scene: scene.functions.delete_function(FunctionName="jitr"),
    ),
}


@pytest.mark.parametrize("arrange", NEW.values(), ids=NEW)
def test_a_good_device_would_be_provisioned_and_is_let_in(scene: Scene, arrange: Act) -> None:
    arrange(scene)
    assert scene.cause() == (0, "would be provisioned", {})
    visit = scene.visit()
    assert visit.accepted, (visit, scene.why())
    assert scene.cause() == (0, "let in", {})


@pytest.mark.parametrize(("first", "change"), AFTERWARDS.values(), ids=AFTERWARDS)
def test_a_known_device_is_let_in_without_what_only_new_ones_need(
    scene: Scene, first: str, change: Act
) -> None:
    NEW[first](scene)
    assert scene.visit().accepted, scene.why()
    change(scene)
    assert scene.cause() == (0, "let in", {})
    assert scene.visit().accepted, scene.why()


def test_a_device_registered_by_hand_is_let_in(scene: Scene) -> None:
    text = Path(scene.device.certificate).read_text(encoding="ascii")
    scene.iot.register_certificate_without_ca(certificatePem=text, status="ACTIVE")
    scene.create_policy()
    scene.iot.attach_policy(policyName=POLICY, target=scene.device_arn)
    assert scene.cause() == (0, "let in", {})
    assert scene.visit().accepted, scene.why()


def test_the_log_is_turned_on_as_printed_and_then_shown(scene: Scene) -> None:
    scene.jitp()
    scene.iam.detach_role_policy(RoleName=f"jitp-{REGION}", PolicyArn=fleet.THINGS_REGISTRATION)
    carry_out(check(scene, "AWS IoT log")["remedy"], scene.account)
    assert "no entry of this device" in check(scene, "AWS IoT log")["finding"]
    assert not scene.visit().accepted
    log = check(scene, "AWS IoT log")
    assert log["ok"] is True
    assert "ProvisionDevice Failure" in log["finding"]
    assert "may not iot:UpdateCertificate" in log["finding"]


def test_events_that_were_turned_off_leave_the_verdict_open(scene: Scene) -> None:
    scene.jitr()
    configurations = {"CA_CERTIFICATE": {"Enabled": False}}
    scene.iot.update_event_configurations(eventConfigurations=configurations)
    assert scene.cause() == (1, "unknown", {})
    events = check(scene, "events")
    assert events["ok"] is None
    assert "CA_CERTIFICATE, which AWS IoT might not publish" in events["finding"]
    carry_out(events["remedy"], scene.account)
    assert check(scene, "events")["ok"] is True
    assert scene.visit().accepted, scene.why()


def test_a_thing_without_override_settings_leaves_the_verdict_open(scene: Scene) -> None:
    document = json.loads(scene.template())
    del document["Resources"]["thing"]["OverrideSettings"]
    scene.jitp(body=json.dumps(document))
    scene.iot.create_thing(thingName=THING)
    assert scene.cause() == (1, "unknown", {})
    thing = check(scene, "thing")
    assert "OverrideSettings for AttributePayload" in thing["finding"]
    carry_out(thing["remedy"], scene.account)
    assert scene.cause() == (0, "would be provisioned", {})
    assert scene.visit().accepted, scene.why()


def test_a_trust_policy_with_a_condition_leaves_the_verdict_open(scene: Scene) -> None:
    scene.jitp()
    trust = json.loads(fleet.trust("iot.amazonaws.com"))
    trust["Statement"][0]["Condition"] = {"StringEquals": {"aws:SourceAccount": scene.account}}
    document = json.dumps(trust)
    scene.iam.update_assume_role_policy(RoleName=f"jitp-{REGION}", PolicyDocument=document)
    assert scene.cause() == (1, "unknown", {})
    assert check(scene, "role trust")["ok"] is None


def check(scene: Scene, name: str) -> dict[str, Any]:
    """The check of this name in a new diagnosis."""
    _, (diagnosis,) = scene.diagnose()
    (entry,) = [entry for entry in diagnosis["checks"] if entry["check"] == name]
    answer: dict[str, Any] = entry
    return answer
