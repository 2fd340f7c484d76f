"""What the device may do once it is in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.diagnose.refusal import (
    Act,
    Refusal,
)
from tests.support.diagnose.scene import POLICY, THING, Scene
from tests.support.sandbox import fleet


def registered(*policies: dict[str, Any]) -> Act:
    """A device whose certificate is registered by hand, with a policy if there are statements."""

    def arrange(scene: Scene) -> None:
        pem = Path(scene.device.certificate).read_text(encoding="ascii")
        scene.iot.register_certificate_without_ca(certificatePem=pem, status="ACTIVE")
        if policies:
            scene.create_policy(*policies)
            scene.iot.attach_policy(policyName=POLICY, target=scene.device_arn)

    return arrange


def then_denied(scene: Scene) -> None:
    registered(fleet.MAY_ALL)(scene)
    document = fleet.policy({"Effect": "Deny", "Action": "iot:Connect", "Resource": "*"})
    scene.iot.create_policy(policyName="stop", policyDocument=document)
    scene.iot.attach_policy(policyName="stop", target=scene.device_arn)


def thing_detached(scene: Scene) -> None:
    scene.jitp()
    assert scene.visit().accepted, scene.why()
    scene.iot.detach_thing_principal(thingName=THING, principal=scene.device_arn)


def detached_policy_of_the_function(scene: Scene) -> None:
    scene.jitr()
    assert scene.visit().accepted, scene.why()
    scene.iot.detach_policy(policyName=POLICY, target=scene.device_arn)


def client_id_of_its_own(scene: Scene) -> None:
    scene.jitp()
    assert scene.visit().accepted, scene.why()
    scene.device = scene.device.__class__(scene.device.certificate, scene.device.key, "other")


def connect_as_thing(scene: Scene) -> None:
    scene.device = scene.device.__class__(scene.device.certificate, scene.device.key, THING)


THING_VARIABLE = "arn:aws:iot:*:*:client/${iot:Connection.Thing.ThingName}"

PERMISSION = {
    "no policy": Refusal(
        registered(), "permission to connect", "has no policy", "create-policy",
        then=("permission to connect",), while_new=False,
    ),
    "the function's policy detached": Refusal(
        detached_policy_of_the_function, "permission to connect", "has no policy",
        f"aws iot attach-policy --policy-name {POLICY}", while_new=False,
    ),
    "policy for another topic": Refusal(
        registered({"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}),
        "permission to connect", "no policy allows iot:Connect", "create-policy-version",
        while_new=False,
    ),
    "policy that names the thing, which is missing": Refusal(
        registered({"Effect": "Allow", "Action": "iot:Connect", "Resource": THING_VARIABLE}),
        "permission to connect", "name its thing", "aws iot create-thing", while_new=False,
    ),
    "thing detached": Refusal(
        thing_detached, "permission to connect", "name its thing", "attach-thing-principal",
        while_new=False,
    ),
    "policy with a Deny": Refusal(
        then_denied, "permission to connect", "stop denies iot:Connect", "detach-policy",
        while_new=False,
    ),
    "known, client ID is not the thing": Refusal(
        client_id_of_its_own, "permission to connect", "its policies allow the name of its thing",
        f"connect with client ID {THING}", connect_as_thing, while_new=False,
    ),
}  # fmt: skip
