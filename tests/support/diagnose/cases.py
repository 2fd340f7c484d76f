"""Ways of being refused: how each is broken, what the program names, and how it is repaired.

A remedy that is a command is run as it is printed. `by_hand` does what other remedies say.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.certificates import CA, DAY, NOW, issue, new_ca, x509_name
from tests.support.diagnose.scene import POLICY, THING, Scene
from tests.support.sandbox import fleet
from tests.support.sandbox.clients import REGION, THREE

Act = Callable[[Scene], None]


@dataclass(frozen=True)
class Refusal:
    """One way of being refused.

    Attributes:
        arrange: breaks it.
        check: the first check that is not ok.
        finding: a part of what the program finds.
        remedy: a part of the remedy.
        by_hand: does what the remedy says, if that is not a command.
        then: the checks that are the cause after that one is repaired, in order.
        while_new: whether it has this cause before the device has come for the first time.
        once_seen: the cause after it has come, if that is another one.
    """

    arrange: Act
    check: str
    finding: str
    remedy: str
    by_hand: Act | None = None
    then: tuple[str, ...] = ()
    while_new: bool = True
    once_seen: str | None = None


def child_of(root: CA, name: str = "Issuing CA") -> CA:
    """A CA whose certificate another one has signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = issue(
        root.key, common_name=name, subject_key=key, issuer=root.certificate, is_ca=True
    )
    return CA(certificate, key)


def renewed(ca: CA, **validity: Any) -> CA:
    """The CA's certificate, issued again for the same key."""
    subject = ca.certificate.subject
    return CA(issue(ca.key, subject=subject, **validity), ca.key)


def write_chain(scene: Scene, *cas: CA) -> None:
    """Give the program the CAs' certificates in a file."""
    path = scene.folder / "chain.pem"
    path.write_text("".join(ca.pem for ca in cas), encoding="ascii")
    scene.options += ["--chain", str(path)]


# --- the device's certificate


def after_jitp(**settings: Any) -> Act:
    """A JITP account, and a device whose certificate is issued with `settings`."""

    def arrange(scene: Scene) -> None:
        scene.jitp()
        scene.reissue(**settings)

    return arrange


def good_certificate(scene: Scene) -> None:
    """Have the device's certificate issued again."""
    scene.reissue()


DEVICE = {
    "expired": Refusal(
        after_jitp(start=NOW - 9 * DAY, end=NOW - DAY),
        "validity", "expired at", "issued again", good_certificate,
    ),
    "not yet valid": Refusal(
        after_jitp(start=NOW + DAY, end=NOW + 9 * DAY),
        "validity", "is not valid before", "issued again", good_certificate,
    ),
    "curve": Refusal(
        after_jitp(key=ec.generate_private_key(ec.SECP256K1())),
        "key and signature", "curve is secp256k1", "issued again", good_certificate,
    ),
    "signature": Refusal(
        after_jitp(digest=hashes.SHA224()),
        "key and signature", "uses SHA224", "issued again", good_certificate,
    ),
    "certificate of a CA": Refusal(
        after_jitp(is_ca=True),
        "client certificate", "CA:TRUE", "without CA:TRUE", good_certificate,
    ),
}  # fmt: skip

# --- the CA


def not_registered(scene: Scene) -> None:
    scene.jitp()
    scene.ca = new_ca("Other CA")
    scene.reissue()
    write_chain(scene, scene.ca)


def root_instead_of_issuer(scene: Scene) -> None:
    scene.jitp()
    root, scene.ca = scene.ca, child_of(scene.ca)
    scene.reissue(sends=(scene.ca,))
    write_chain(scene, scene.ca, root)


def renewed_with_another_key(scene: Scene) -> None:
    scene.jitp()
    scene.ca = new_ca("Fleet CA")
    scene.reissue()
    write_chain(scene, scene.ca)


def without_chain(scene: Scene) -> None:
    scene.jitp()
    scene.ca = new_ca("Other CA")
    scene.reissue()


def register_with_template(scene: Scene) -> None:
    """What applying the module with the CA does."""
    config = {"templateName": "fleet"}
    fleet.register(scene.aws, scene.ca, scene.account, registrationConfig=config)


def expired_ca(scene: Scene) -> None:
    second = NOW.__class__.now(NOW.tzinfo).replace(microsecond=0) + 2 * (DAY / 86400)
    scene.ca = renewed(scene.ca, end=second)
    scene.reissue()
    scene.jitp()
    time.sleep(2.1)


def renew_and_register(scene: Scene) -> None:
    scene.ca = renewed(scene.ca)
    register_with_template(scene)


def without_sni(scene: Scene) -> None:
    scene.jitp()
    scene.send_chain(scene.ca)
    scene.server_name = None


def send_server_name(scene: Scene) -> None:
    scene.server_name = fleet.endpoint(scene.aws, scene.account)


def known_without_sni(scene: Scene) -> None:
    scene.jitp()
    assert scene.visit().accepted
    scene.server_name = None


def default_without_chain(scene: Scene) -> None:
    scene.jitp("DEFAULT")
    scene.server_name = None


AUTHORITY = {
    "CA not registered": Refusal(
        not_registered, "signer", "is not registered here", "aws iot register-ca-certificate",
        then=("rule", "registration"),
    ),
    "CA not registered, without its certificate": Refusal(
        without_chain, "signer", '("CN=Other CA")'[2:-2], "apply", register_with_template,
    ),
    "root registered instead of the issuing CA": Refusal(
        root_instead_of_issuer, "signer", "needs the CA that has signed the device's certificate",
        "register-ca-certificate", then=("rule", "registration"),
    ),
    "CA renewed with another key": Refusal(
        renewed_with_another_key, "signer", "has the same name, but another key",
        "templateName=fleet",
    ),
    "CA inactive": Refusal(
        lambda scene: scene.jitp(setAsActive=False), "CA status", "is INACTIVE, wanted ACTIVE",
        "--new-status ACTIVE",
    ),
    "auto-registration disabled": Refusal(
        lambda scene: scene.jitp(allowAutoRegistration=False), "auto-registration", "is DISABLE",
        "--new-auto-registration-status ENABLE",
    ),
    "CA expired": Refusal(
        expired_ca, "CA expiry", "expired at", "renew the CA", renew_and_register,
    ),
    "new, SNI_ONLY without a server name": Refusal(
        without_sni, "server name", "SNI_ONLY mode needs one", "send the server name",
        send_server_name,
    ),
    "known, SNI_ONLY without a server name": Refusal(
        known_without_sni, "server name", "SNI_ONLY mode needs one", "send the server name",
        send_server_name, while_new=False,
    ),
    "DEFAULT without a server name or the CA's certificate": Refusal(
        default_without_chain, "CA certificate sent", "neither a server name",
        "send its CA's certificate", lambda scene: scene.send_chain(scene.ca),
    ),
}  # fmt: skip

# --- the device's registration


def known(status: str) -> Act:
    """A device that was let in, and whose certificate has another status since."""

    def arrange(scene: Scene) -> None:
        scene.jitp()
        assert scene.visit().accepted, scene.why()
        scene.iot.update_certificate(certificateId=scene.device_id, newStatus=status)

    return arrange


def in_transfer(scene: Scene) -> None:
    scene.jitp()
    scene.create_policy()
    pem = Path(scene.device.certificate).read_text(encoding="ascii")
    scene.iot.register_certificate(
        certificatePem=pem, caCertificatePem=scene.ca.pem, status="INACTIVE"
    )
    scene.iot.transfer_certificate(certificateId=scene.device_id, targetAwsAccount=THREE)


def waiting_without_provisioning(scene: Scene) -> None:
    """It came before the CA had a template."""
    fleet.register(scene.aws, scene.ca, scene.account)
    assert not scene.visit().accepted
    config = fleet.jitp(scene.aws, scene.account)
    scene.iot.update_ca_certificate(certificateId=scene.ca.id, registrationConfig=config)


REGISTRATION = {
    "certificate inactive": Refusal(
        known("INACTIVE"), "registration", "is INACTIVE", "--new-status ACTIVE", while_new=False,
    ),
    "certificate revoked": Refusal(
        known("REVOKED"), "registration", "is REVOKED", "--new-status ACTIVE", while_new=False,
    ),
    "certificate in transfer": Refusal(
        in_transfer, "registration", "PENDING_TRANSFER", "cancel-certificate-transfer",
        then=("permission to connect", "permission to connect"), while_new=False,
    ),
    "certificate waits, for it came before its template": Refusal(
        waiting_without_provisioning, "registration", "PENDING_ACTIVATION", "delete-certificate",
        while_new=False,
    ),
}  # fmt: skip

# --- JITP


def jitp_with(**changes: Any) -> Act:
    """A JITP account whose template has `changes`."""
    return lambda scene: scene.jitp(body=scene.template(**changes))


def jitp_then(change: Act) -> Act:
    """A JITP account in which something is changed afterwards."""

    def arrange(scene: Scene) -> None:
        scene.jitp()
        change(scene)

    return arrange


ROLE = f"jitp-{REGION}"


def delete_role(scene: Scene) -> None:
    scene.iam.detach_role_policy(RoleName=ROLE, PolicyArn=fleet.THINGS_REGISTRATION)
    scene.iam.delete_role(RoleName=ROLE)


def distrust(scene: Scene) -> None:
    trust = fleet.trust("lambda.amazonaws.com")
    scene.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=trust)


def detach(scene: Scene) -> None:
    scene.iam.detach_role_policy(RoleName=ROLE, PolicyArn=fleet.THINGS_REGISTRATION)


def deny(scene: Scene) -> None:
    document = fleet.policy({"Effect": "Deny", "Action": "iot:CreateThing", "Resource": "*"})
    scene.iam.put_role_policy(RoleName=ROLE, PolicyName="no-things", PolicyDocument=document)


def deny_by_managed_policy(scene: Scene) -> None:
    document = fleet.policy({"Effect": "Deny", "Action": "iot:AttachPolicy", "Resource": "*"})
    made = scene.iam.create_policy(PolicyName="no-policies", PolicyDocument=document)
    scene.iam.attach_role_policy(RoleName=ROLE, PolicyArn=made["Policy"]["Arn"])


def bound(scene: Scene) -> None:
    document = fleet.policy({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    made = scene.iam.create_policy(PolicyName="boundary", PolicyDocument=document)
    scene.iam.put_role_permissions_boundary(
        RoleName=ROLE, PermissionsBoundary=made["Policy"]["Arn"]
    )


def existing_thing(scene: Scene) -> None:
    scene.jitp(body=scene.template(OverrideSettings={"AttributePayload": "FAIL"}))
    scene.iot.create_thing(thingName=THING)


def named_policy(scene: Scene) -> None:
    document = json.loads(scene.template())
    document["Resources"]["policy"]["Properties"] = {"PolicyName": "gone"}
    scene.jitp(body=json.dumps(document))


def with_serial_number(scene: Scene) -> None:
    names = {"ORGANIZATION_NAME": "Example", "SERIAL_NUMBER": "42"}
    scene.reissue(subject=x509_name(THING, **names))


def thing_type_with_many_attributes(scene: Scene) -> None:
    attributes = {f"a{number}": "x" for number in range(4)}
    scene.jitp(body=scene.template(thing={"AttributePayload": attributes}))


def attributes_that_fit(scene: Scene) -> None:
    """The template is changed."""
    version = scene.iot.create_provisioning_template_version(
        templateName="fleet", templateBody=scene.template(), setAsDefault=True
    )
    assert version["isDefaultVersion"]


SERIAL_NUMBER = {"AWS::IoT::Certificate::SerialNumber": {"Type": "String"}}

# What is repaired after the device has come: AWS IoT does not provision a certificate twice.
AGAIN = ("registration",)

JITP = {
    "template disabled": Refusal(
        jitp_then(lambda scene: scene.iot.update_provisioning_template(
            templateName="fleet", enabled=False)),
        "template enabled", "is disabled", "--enabled", then=AGAIN,
    ),
    "parameter missing": Refusal(
        jitp_with(Parameters=SERIAL_NUMBER), "parameters", "lacks SerialNumber", "issued again",
        with_serial_number,
    ),
    "thing name": Refusal(
        after_jitp(common_name="sensor 1"), "thing", "can't be the name of a thing",
        "issued again", good_certificate,
    ),
    "thing attribute": Refusal(
        after_jitp(organization="Example Inc."), "thing", "can't have the value 'Example Inc.'",
        "issued again", good_certificate,
    ),
    "too many attributes": Refusal(
        thing_type_with_many_attributes, "thing", "has room for 3 attributes",
        "change the template", attributes_that_fit, then=AGAIN,
    ),
    "thing exists": Refusal(
        existing_thing, "thing", "exists already", "aws iot delete-thing", then=AGAIN,
    ),
    "thing type missing": Refusal(
        jitp_with(thing={"ThingTypeName": "sensor"}), "thing type", "does not exist",
        "create-thing-type", then=AGAIN,
    ),
    "thing group missing": Refusal(
        jitp_with(thing={"ThingGroups": ["sensors"]}), "thing group", "does not exist",
        "create-thing-group", then=AGAIN,
    ),
    "role missing": Refusal(
        jitp_then(delete_role), "role", "does not exist", "aws iam create-role",
        then=("role permissions", *AGAIN),
    ),
    "role distrusts AWS IoT": Refusal(
        jitp_then(distrust), "role trust", "does not trust iot.amazonaws.com",
        "update-assume-role-policy", then=AGAIN,
    ),
    "role without its policy": Refusal(
        jitp_then(detach), "role permissions", "may not call iot:UpdateCertificate",
        "AWSIoTThingsRegistration", then=AGAIN,
    ),
    "role with a Deny": Refusal(
        jitp_then(deny), "role permissions", "its policy no-things denies it",
        "delete-role-policy", then=AGAIN,
    ),
    "role with a managed Deny": Refusal(
        jitp_then(deny_by_managed_policy), "role permissions", "may not call iot:AttachPolicy",
        "detach-role-policy", then=AGAIN,
    ),
    "role with a boundary": Refusal(
        jitp_then(bound), "role permissions", "its permissions boundary", "create-policy-version",
        then=AGAIN,
    ),
    "policy of the template missing": Refusal(
        named_policy, "template policy", "gone, which the template attaches", "create-policy",
        then=AGAIN,
    ),
    "template leaves the certificate inactive": Refusal(
        jitp_with(certificate={"Status": "INACTIVE"}), "provisioned status", "INACTIVE",
        "create-provisioning-template-version", once_seen="registration",
    ),
    "client ID is not the thing": Refusal(
        after_jitp(client_id="other"), "permission to connect", "client ID other",
        f"connect with client ID {THING}", good_certificate,
    ),
}  # fmt: skip

# --- JITR


def jitr_then(change: Act, **settings: Any) -> Act:
    """A JITR account in which something is changed afterwards."""

    def arrange(scene: Scene) -> None:
        scene.jitr(**settings)
        change(scene)

    return arrange


def rule_of_former_ca(scene: Scene) -> None:
    scene.create_function()
    scene.create_rule("ab" * 32)
    fleet.register(scene.aws, scene.ca, scene.account)


def create_function_and_rule(scene: Scene) -> None:
    scene.create_function()
    scene.create_rule()


def delete_function(scene: Scene) -> None:
    scene.functions.delete_function(FunctionName="jitr")


def create_function_again(scene: Scene) -> None:
    scene.aws.iam(scene.account).delete_role_policy(RoleName="role-of-jitr", PolicyName="may")
    scene.iam.delete_role(RoleName="role-of-jitr")
    scene.iot.delete_policy(policyName=POLICY)
    scene.create_function()


def forget_permission(scene: Scene) -> None:
    scene.functions.remove_permission(FunctionName="jitr", StatementId="rule")


def permit_another_rule(scene: Scene) -> None:
    forget_permission(scene)
    scene.functions.add_permission(
        FunctionName="jitr",
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal="iot.amazonaws.com",
        SourceArn=f"arn:aws:iot:{REGION}:{scene.account}:rule/other",
    )


def powerless_function(scene: Scene) -> None:
    scene.sandbox.enforce_permissions(scene.account)
    scene.iam.delete_role_policy(RoleName="role-of-jitr", PolicyName="may")


def distrust_lambda(scene: Scene) -> None:
    scene.iam.update_assume_role_policy(
        RoleName="role-of-jitr", PolicyDocument=fleet.trust("iot.amazonaws.com")
    )


def stop_function(scene: Scene) -> None:
    scene.functions.put_function_concurrency(FunctionName="jitr", ReservedConcurrentExecutions=0)


def failing(scene: Scene) -> None:
    scene.jitr(source="def handler(event, context):\n    raise ValueError('no such tenant')\n")


def correct_function(scene: Scene) -> None:
    time.sleep(1.1)  # Lambda's times have seconds here
    from tests.support.diagnose.scene import FUNCTION

    scene.functions.update_function_code(FunctionName="jitr", ZipFile=fleet.package(FUNCTION))


def delete_policy(scene: Scene) -> None:
    scene.iot.delete_policy(policyName=POLICY)


JITR = {
    "rule missing": Refusal(
        lambda scene: fleet.register(scene.aws, scene.ca, scene.account), "rule",
        "no topic rule listens", "apply", create_function_and_rule,
    ),
    "rule disabled": Refusal(
        jitr_then(lambda scene: scene.iot.disable_topic_rule(ruleName="registered")),
        "rule enabled", "is disabled", "enable-topic-rule",
    ),
    "rule listens for a former CA": Refusal(
        rule_of_former_ca, "rule", "listens for a CA that is not registered here",
        "replace-topic-rule",
    ),
    "function missing": Refusal(
        jitr_then(delete_function), "function", "does not exist", "create that function again",
        create_function_again, then=("function permission",),
    ),
    "rule may not call the function": Refusal(
        jitr_then(forget_permission), "function permission", "may not call the function",
        "add-permission",
    ),
    "another rule may call the function": Refusal(
        jitr_then(permit_another_rule), "function permission", "may not call the function",
        "add-permission",
    ),
    "function never runs": Refusal(
        jitr_then(stop_function), "function concurrency", "reserved concurrency of 0",
        "delete-function-concurrency",
    ),
    "function may do nothing": Refusal(
        jitr_then(powerless_function), "function role permissions",
        "may not call iot:UpdateCertificate", "put-role-policy",
    ),
    "function can't assume its role": Refusal(
        jitr_then(distrust_lambda), "function role trust", "does not trust lambda.amazonaws.com",
        "update-assume-role-policy",
    ),
    "function fails for this device": Refusal(
        failing, "dead letters", "no such tenant", "correct what the error says",
        correct_function, while_new=False,
    ),
    "policy of the function missing": Refusal(
        jitr_then(delete_policy), "device policy", "does not exist", "apply",
        lambda scene: scene.create_policy(),
    ),
}  # fmt: skip

# --- what it may do once it is in


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

CASES = {**DEVICE, **AUTHORITY, **REGISTRATION, **JITP, **JITR, **PERMISSION}
