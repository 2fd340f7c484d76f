"""Roles with the policies of modules/iam-policies, and what the program needs of them.

A case is something the program does from beginning to end, as a role in an account where
permissions are enforced. What it asks for is learnt from a run that may do everything the policy
says; then it is run again and again, each time with one action of one statement taken away.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import boto3
import pytest
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import ClientError

from sandbox.control import Call, Sandbox
from tests.e2e.support import CA, Account, issue, new_ca
from tests.faults.support import Call as OneCall
from tests.faults.support import Fault, Program, Terraform
from tests.faults.test_every_call import DEFAULT, PATHS, Way, begin
from tests.sandbox.kms_keys import kms_ca
from tools.checkout import ROOT
from tools.engine import terraform as engine
from tools.engine.discovery import find_engine
from tools.providers.environment import environment

MODULE = ROOT / "modules" / "iam-policies"
ANY_ID = "0" * 64
ROLE = "pipeline"
NUMBERS = itertools.count(1)

Step = Callable[[Terraform, Fault | None], str | None]
# The statement that allows something, and the action.
Need = tuple[str, str]


# --- the policies


def render(folder: Path, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """What the module answers for each of several settings: `plan_json` and `apply_json`."""
    calls = {
        name: {"source": str(MODULE), **arguments} for name, arguments in sorted(settings.items())
    }
    configuration = {
        "module": calls,
        "output": {name: {"value": f"${{module.{name}}}"} for name in settings},
    }
    folder.mkdir()
    (folder / "main.tf.json").write_text(json.dumps(configuration), encoding="utf-8")
    terraform = engine.Terraform(folder, find_engine(), environment(None))
    terraform.init()
    terraform.run("apply", "-auto-approve")
    # What `terraform output -json` prints, without another command.
    state = json.loads((folder / "terraform.tfstate").read_text(encoding="utf-8"))
    answers: dict[str, dict[str, str]] = {
        name: found["value"] for name, found in state["outputs"].items()
    }
    return answers


def statements(document: str) -> list[dict[str, Any]]:
    """The statements of a policy document."""
    found: list[dict[str, Any]] = json.loads(document)["Statement"]
    return found


# A plan that may not do this leaves out a hint, see aws/templates.py: these policies lack it, since
# with JITP the aws provider needs it too, and then the policies have it for both.
HINT = "iot:DescribeProvisioningTemplate "


def needs(document: str) -> set[Need]:
    """Every action of every statement."""
    return {(each["Sid"], action) for each in statements(document) for action in each["Action"]}


def without(document: str, need: Need) -> str:
    """The document with one action of one statement taken away."""
    sid, action = need
    kept = [
        {
            **each,
            "Action": [name for name in each["Action"] if (each["Sid"], name) != (sid, action)],
        }
        for each in statements(document)
    ]
    return json.dumps(
        {**json.loads(document), "Statement": [each for each in kept if each["Action"]]}
    )


def allowed_by(document: str, permission: str) -> Need:
    """The one statement that allows what a call has asked for, as "action resource"."""
    action, _, resource = permission.partition(" ")
    found = [
        each["Sid"]
        for each in statements(document)
        if action in each["Action"] and any(fnmatchcase(resource, it) for it in each["Resource"])
    ]
    assert len(found) == 1, (permission, found)
    return found[0], action


# --- one call for an action

REGISTRATION_POLICY = "arn:aws:iam::aws:policy/service-role/AWSIoTThingsRegistration"


def parameters_of(arn: str) -> dict[str, Any]:
    """What AWS's operations call a resource by, going by its ARN; a pattern stands for a name."""
    arn = arn.replace("*", "x")
    _, _, service, _, account, resource = arn.split(":", 5)
    kind, _, name = resource.replace(":", "/", 1).partition("/")
    by_kind: dict[str, dict[str, Any]] = {
        "cacert": {"certificateId": name, "caCertificateId": name, "resourceArn": arn},
        "thinggroup": {"thingGroupName": name},
        "provisioningtemplate": {"templateName": name, "resourceArn": arn},
        "policy": {"policyName": name, "resourceArn": arn},
        "rule": {"ruleName": name, "resourceArn": arn},
        "role": {"RoleName": name, "PolicyArn": REGISTRATION_POLICY},
        "function": {"FunctionName": name, "Resource": arn},
        "log-group": {"logGroupName": name.removesuffix(":x"), "resourceArn": arn},
        "alarm": {"AlarmName": name, "AlarmNames": [name], "ResourceARN": arn},
        "key": {"KeyId": arn},
        "secret": {"SecretId": arn},
        "certificate-authority": {"CertificateAuthorityArn": arn},
    }
    if service == "sqs":
        return {"QueueName": resource, "QueueUrl": f"https://sqs/{account}/{resource}"}
    return by_kind[kind]


def example(shape: Any, known: Mapping[str, Any], name: str = "") -> Any:
    """A value that botocore takes for a parameter: what is known of it, else anything at all."""
    if name in known:
        return known[name]
    if shape.type_name == "structure":
        # Some models ask for both, and some services for one of the two.
        members = {each for each in shape.members if each in known} | set(shape.required_members)
        return {each: example(shape.members[each], known, each) for each in sorted(members)}
    if shape.type_name == "list":
        return [example(shape.member, known)]
    if shape.type_name == "map":
        return {"team": "fleet"}
    least = int(shape.metadata.get("min", 1))
    if shape.type_name == "string":
        return shape.enum[0] if shape.enum else "x" * max(least, 1)
    return {"blob": b"x", "boolean": True}.get(shape.type_name, least)


class Caller:
    """Makes one call for any one permission of a document, as the role."""

    # Parts of other calls, and never calls of their own.
    PARTS: ClassVar[Mapping[str, Need]] = {
        "TemplateRolesForIot": ("Templates", "iot:CreateProvisioningTemplate"),
        "JitrRolesForLambda": ("JitrFunctions", "lambda:CreateFunction"),
        "JitrRolesForIot": ("JitrIot", "iot:CreateTopicRule"),
        "KeysOfSecrets": ("KeysInSecrets", "secretsmanager:GetSecretValue"),
    }

    def __init__(self, role: Role, document: str, **known: Any) -> None:
        self._role = role
        self._statements = {each["Sid"]: each for each in statements(document)}
        self._known = known
        role_of = {
            sid: self._statements[sid]["Resource"][0].replace("*", "x")
            for sid in ("JitrRolesForLambda", "JitrRolesForIot", "TemplateRoles")
        }
        self._known |= {
            "Role": role_of["JitrRolesForLambda"],
            "errorAction": {"sqs": {"roleArn": role_of["JitrRolesForIot"], "queueUrl": "x"}},
            "provisioningRoleArn": role_of["TemplateRoles"],
        }
        self._clients: dict[str, Any] = {}

    def refusal(self, need: Need) -> str | None:
        """Why the call for a permission is refused for want of one; None if it is not."""
        sid, action = self.PARTS.get(need[0], need)
        service, _, operation = action.partition(":")
        if service not in self._clients:
            self._clients[service] = self._role.client(service)
        client = self._clients[service]
        known: dict[str, Any] = {}
        for resource in reversed(self._statements[sid]["Resource"]):
            if resource != "*":
                known |= parameters_of(resource)
        shape = client.meta.service_model.operation_model(operation).input_shape
        try:
            getattr(client, xform_name(operation))(**example(shape, {**known, **self._known}))
        except ClientError as error:
            # Whatever else is wrong with such a call: IAM has been asked before.
            if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
                return str(error.response["Error"]["Message"])
        return None


# --- the role


class Role:
    """A role in an account, and one session of it."""

    def __init__(self, account: Account, name: str = ROLE) -> None:
        self.account, self.name = account, name
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": account.number},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        made = account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=policy)
        self.arn = made["Role"]["Arn"]
        issued = account.client("sts").assume_role(RoleArn=self.arn, RoleSessionName="run")
        self.credentials: Mapping[str, str] = issued["Credentials"]
        self.principal = issued["AssumedRoleUser"]["Arn"]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make any AWS client act as this session."""
        account = self.account
        return {
            **account.sandbox.environment(account.number, account.region),
            "AWS_ACCESS_KEY_ID": self.credentials["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": self.credentials["SecretAccessKey"],
            "AWS_SESSION_TOKEN": self.credentials["SessionToken"],
        }

    def client(self, service: str) -> Any:
        """boto3's client for a service, as this session, without second attempts."""
        issued = self.credentials
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=self.account.region,
            endpoint_url=self.account.sandbox.endpoint,
            aws_access_key_id=issued["AccessKeyId"],
            aws_secret_access_key=issued["SecretAccessKey"],
            aws_session_token=issued["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def grant(self, document: str) -> None:
        """Give the role this policy and no other; the session has it at once."""
        self.account.iam.put_role_policy(
            RoleName=self.name, PolicyName="all", PolicyDocument=document
        )

    def calls(self) -> list[Call]:
        """What the session has called since calls were forgotten."""
        calls = self.account.sandbox.calls(account=self.account.number)
        return [call for call in calls if call.principal == self.principal]


class RoleProgram(Program):
    """The program with a role's credentials."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox, role: Role) -> None:
        super().__init__(monkeypatch, sandbox)
        self.role = role
        self.as_root = False

    def environment(self, account: Account) -> Mapping[str, str]:
        """The role's, or those of its account's root user while a case begins."""
        assert account == self.role.account
        return super().environment(account) if self.as_root else self.role.environment


# --- where the keys are


@dataclass(frozen=True)
class Keys:
    """CAs whose keys are in AWS services, by what `verification` says of them.

    The CAs differ from those of other tests by their certificates; each is registered and deleted
    again by the cases.
    """

    kms: tuple[str, CA]
    secret: tuple[str, CA]
    own_key_secret: tuple[str, CA]
    own_key: str
    private_ca: tuple[str, CA]


def make_keys(account: Account) -> Keys:
    """A CA's key in KMS, in a secret, in a secret with a key of the user's own, in Private CA."""
    kms = account.client("kms")
    arn, made = kms_ca(kms, "ECC_NIST_P256")
    in_kms = arn, CA(made.pem, made.key, made.certificate)  # type: ignore[arg-type]
    own_key = kms.create_key()["KeyMetadata"]["Arn"]
    plain, own = new_ca("in a secret"), new_ca("in a secret of an own key")
    return Keys(
        in_kms,
        (_secret(account, "plain", plain), plain),
        (_secret(account, "own", own, KmsKeyId=own_key), own),
        own_key,
        _private_ca(account),
    )


def _secret(account: Account, name: str, ca: CA, **settings: str) -> str:
    from cryptography.hazmat.primitives import serialization

    key = ca.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    client = account.client("secretsmanager")
    made = client.create_secret(Name=name, SecretString=key.decode(), **settings)
    return str(made["ARN"])


def _private_ca(account: Account) -> tuple[str, CA]:
    from cryptography import x509

    pca = account.client("acm-pca")
    arn = pca.create_certificate_authority(
        CertificateAuthorityType="ROOT",
        CertificateAuthorityConfiguration={
            "KeyAlgorithm": "EC_prime256v1",
            "SigningAlgorithm": "SHA256WITHECDSA",
            "Subject": {"CommonName": "Root in Private CA"},
        },
    )["CertificateAuthorityArn"]
    issued = pca.issue_certificate(
        CertificateAuthorityArn=arn,
        Csr=pca.get_certificate_authority_csr(CertificateAuthorityArn=arn)["Csr"].encode(),
        SigningAlgorithm="SHA256WITHECDSA",
        TemplateArn="arn:aws:acm-pca:::template/RootCACertificate/V1",
        Validity={"Type": "YEARS", "Value": 10},
    )["CertificateArn"]
    names = {"CertificateAuthorityArn": arn, "CertificateArn": issued}
    pca.get_waiter("certificate_issued").wait(**names, WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    pem = pca.get_certificate(**names)["Certificate"]
    pca.import_certificate_authority_certificate(
        CertificateAuthorityArn=arn, Certificate=pem.encode()
    )
    # The key is Private CA's: nothing here signs with it.
    key = new_ca().key
    return arn, CA(pem, key, x509.load_pem_x509_certificate(pem.encode()))


# --- the cases


@dataclass
class World:
    """An account where permissions are enforced, a role in it, and what its policies may be."""

    account: Account
    role: Role
    program: RoleProgram
    keys: Keys
    documents: Mapping[str, Mapping[str, str]]

    def document(self, ca: CA, kind: str = "apply_json", name: str = "program") -> str:
        """A policy for one CA."""
        return self.documents[name][kind].replace(ANY_ID, ca.id)

    def begin(self, case: Case, folder: Path) -> Terraform:
        """The state in which a case begins, made by the root user."""
        self.program.as_root = True
        try:
            return case.begin(self, folder)
        finally:
            self.program.as_root = False

    def path(self, way: Way, folder: Path) -> Terraform:
        """The state in which a path of the tests with faults begins."""
        return begin(way, self.program, self.account, folder)

    def record(self, ca: CA, wanted: Mapping[str, Any]) -> Terraform:
        """A CA in a Terraform state that is applied as the role."""
        return Terraform(self.program, self.account, ca, wanted)

    @contextmanager
    def watched(self) -> Iterator[list[Call]]:
        """Collects the role's calls."""
        calls: list[Call] = []
        # Nobody else reads the log meanwhile, and all calls of a module are too many to fetch.
        self.account.sandbox.forget_calls()
        yield calls
        calls += self.role.calls()


@dataclass(frozen=True)
class Case:
    """Something the program does.

    Attributes:
        begin: makes the CA and puts the account in the state in which it begins.
        step: what is done.
        trouble: what it ends with though everything is permitted; None if it succeeds.
        spares: actions that it asks for but ends the same way without.
    """

    begin: Callable[[World, Path], Terraform]
    step: Step = lambda terraform, fault: terraform.apply(fault)
    trouble: str | None = None
    spares: frozenset[str] = frozenset()


def path_case(way: Way) -> Case:
    """A path of the tests with faults."""
    return Case(lambda world, folder: world.path(way, folder), way.step)


def signer_case(choose: Callable[[Keys], tuple[str, CA]], attribute: str) -> Case:
    """A first registration in DEFAULT mode, the CA's key being in an AWS service."""

    def start(world: World, _folder: Path) -> Terraform:
        arn, ca = choose(world.keys)
        if world.account.look(ca.id) is not None:
            world.account.delete(ca)
        return world.record(ca, {**DEFAULT, "verification": {attribute: arn}})

    return Case(start)


def handed_over(world: World, _folder: Path) -> Terraform:
    """A first registration in DEFAULT mode, the owner having signed a request."""
    ca = new_ca()
    code = world.account.iot.get_registration_code()["registrationCode"]
    return world.record(ca, {**DEFAULT, "verification": {"certificate_pem": issue(ca, code).pem}})


def interrupted(world: World, folder: Path) -> Terraform:
    """A change of mode whose process has died when the CA was gone."""
    terraform = world.path(PATHS["change to DEFAULT"], folder)
    fault = Fault("kill", True, OneCall("DeleteCACertificate", 1))
    assert terraform.apply(fault) == "killed"
    return terraform


def crowded(world: World, _folder: Path) -> Terraform:
    """Ten CAs with the subject of an eleventh."""
    subject = f"Crowd {next(NUMBERS)}"
    for _ in range(10):
        world.account.register(new_ca(subject))
    return world.record(new_ca(subject), {})


def refused_on_the_way(terraform: Terraform, fault: Fault | None) -> str | None:
    """A change of mode whose second registration AWS refuses."""
    assert fault is None
    return terraform.apply(Fault("refuse", False, OneCall("RegisterCACertificate", 1)))


CASES = {
    # Those with a key in AWS are below, with keys that the policies name.
    **{name: path_case(way) for name, way in PATHS.items() if way.signer is None},
    "hand over a proof": Case(handed_over),
    "sign in KMS": signer_case(lambda keys: keys.kms, "kms_key_id"),
    "sign with a secret": signer_case(lambda keys: keys.secret, "ca_private_key_secret_arn"),
    "sign with a secret of an own key": signer_case(
        lambda keys: keys.own_key_secret, "ca_private_key_secret_arn"
    ),
    "sign in Private CA": signer_case(lambda keys: keys.private_ca, "acm_pca_arn"),
    "finish a change of mode": Case(interrupted),
    "restore": Case(
        lambda world, folder: world.path(PATHS["change to DEFAULT"], folder),
        refused_on_the_way,
        trouble="is registered in SNI_ONLY mode as before",
        # What is left then, the next run removes.
        spares=frozenset({"iot:DeleteThingGroup"}),
    ),
    "hit the quota": Case(
        crowded,
        trouble="at most ten CA certificates with the same subject",
        # There are no tags: the CA does not come to be registered.
        spares=frozenset({"iot:ListTagsForResource"}),
    ),
}
