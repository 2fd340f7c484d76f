"""Policies of roles and users, in an account where they are enforced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.control import Sandbox, SandboxError
from sandbox.identity.policies import verdict_of
from sandbox.identity.principals import Principal
from sandbox.permissions import tables as permissions
from tests.support.certificates import new_ca
from tests.support.sandbox.clients import ONE, REGION, TWO, Clients
from tests.support.sandbox.refusals import refused

CALLER = f"arn:aws:sts::{ONE}:assumed-role/deploy/run"
REGISTRY = f"arn:aws:iot:{REGION}:{ONE}"
TRUST = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
    }
)


def policy(
    action: Any, resource: Any = "*", effect: str = "Allow", condition: Any = None
) -> dict[str, Any]:
    statement = {"Effect": effect, "Action": action, "Resource": resource}
    return {**statement, "Condition": condition} if condition else statement


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Role:
    """A role of account ONE, and clients of one session of it."""

    def __init__(self, aws: Clients, **session: str) -> None:
        self.aws = aws
        arn = aws.role(ONE, "deploy", TRUST)
        issued = aws.sts(ONE).assume_role(RoleArn=arn, RoleSessionName="run", **session)
        self.credentials = issued["Credentials"]

    def client(self, service: str) -> Any:
        issued = self.credentials
        made = self.aws.new(service, issued["AccessKeyId"], token=issued["SessionToken"])
        made._request_signer._credentials.secret_key = issued["SecretAccessKey"]
        return made

    def grant(self, *statements: dict[str, Any]) -> None:
        self.aws.iam(ONE).put_role_policy(
            RoleName="deploy", PolicyName="inline", PolicyDocument=document(*statements)
        )


@pytest.fixture
def role(aws: Clients, sandbox: Sandbox) -> Role:
    """A role without policies, in an account where they count."""
    made = Role(aws)
    sandbox.enforce_permissions(ONE)
    return made


@contextmanager
def denied(
    action: str, resource: str, why: str = "", code: str = "AccessDeniedException"
) -> Iterator[None]:
    """Expects a refusal in IAM's words."""
    with pytest.raises(ClientError) as caught:
        yield
    error = caught.value.response["Error"]
    assert error["Code"] == code
    why = why or f"because no identity-based policy allows the {action} action"
    assert error["Message"] == (
        f"User: {CALLER} is not authorized to perform: {action} on resource: {resource} {why}"
    )


def test_permissions_are_not_enforced_by_default(aws: Clients, sandbox: Sandbox) -> None:
    iot = Role(aws).client("iot")
    iot.list_ca_certificates()
    sandbox.enforce_permissions(TWO)
    iot.list_ca_certificates()
    sandbox.enforce_permissions(ONE)
    with refused("AccessDeniedException", status=403):
        iot.list_ca_certificates()
    sandbox.reset()
    Role(aws).client("iot").list_ca_certificates()


def test_an_account_has_twelve_digits(sandbox: Sandbox) -> None:
    with pytest.raises(SandboxError, match="twelve digits"):
        sandbox.enforce_permissions("one")


def test_inline_policies_allow_actions_on_resources(role: Role, aws: Clients) -> None:
    one, other = (new_ca(name) for name in ("one", "other"))
    for ca in (one, other):
        aws.iot().register_ca_certificate(caCertificate=ca.pem, certificateMode="SNI_ONLY")
    iot = role.client("iot")
    with denied("iot:DescribeCACertificate", f"{REGISTRY}:cacert/{one.id}"):
        iot.describe_ca_certificate(certificateId=one.id)

    role.grant(policy("iot:describe*", f"{REGISTRY}:cacert/{one.id}"))

    iot.describe_ca_certificate(certificateId=one.id)
    with denied("iot:DescribeCACertificate", f"{REGISTRY}:cacert/{other.id}"):
        iot.describe_ca_certificate(certificateId=other.id)
    # Nothing is told of what isn't there either.
    with denied("iot:DescribeCACertificate", f"{REGISTRY}:cacert/{'0' * 64}"):
        iot.describe_ca_certificate(certificateId="0" * 64)
    # An action that takes no resource isn't allowed by a policy that names some.
    role.grant(policy("iot:*", f"{REGISTRY}:*"))
    with denied("iot:ListCACertificates", "*"):
        iot.list_ca_certificates()


def test_deny_wins_in_every_policy(role: Role, aws: Clients) -> None:
    role.grant(policy("*"))
    iot = role.client("iot")
    iot.list_ca_certificates()
    made = aws.iam().create_policy(
        PolicyName="never",
        PolicyDocument=document(
            policy("iot:List*", "arn:aws:iot:*:*:${aws:PrincipalTag/any}", "Deny")
        ),
    )
    aws.iam().attach_role_policy(RoleName="deploy", PolicyArn=made["Policy"]["Arn"])
    why = "with an explicit deny in an identity-based policy"
    with denied("iot:ListCACertificates", "*", why):
        iot.list_ca_certificates()


def test_default_version_of_managed_policies_counts(role: Role, aws: Clients) -> None:
    iot, iam = role.client("iot"), aws.iam()
    iam.attach_role_policy(
        RoleName="deploy", PolicyArn="arn:aws:iam::aws:policy/AWSIoTConfigReadOnlyAccess"
    )
    iot.list_ca_certificates()
    with denied("iot:DeleteCACertificate", f"{REGISTRY}:cacert/{'0' * 64}"):
        iot.delete_ca_certificate(certificateId="0" * 64)
    made = iam.create_policy(PolicyName="own", PolicyDocument=document(policy("iot:GetPolicy")))
    arn = made["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="deploy", PolicyArn=arn)
    aws.iot().get_registration_code()
    with denied("iot:DeleteRegistrationCode", "*"):
        iot.delete_registration_code()
    iam.create_policy_version(
        PolicyArn=arn,
        PolicyDocument=document(policy("iot:DeleteRegistrationCode")),
        SetAsDefault=True,
    )
    iot.delete_registration_code()


def test_users_have_user_and_group_policies(aws: Clients, sandbox: Sandbox) -> None:
    iam = aws.iam()
    iam.create_user(UserName="me")
    key = iam.create_access_key(UserName="me")["AccessKey"]["AccessKeyId"]
    sandbox.enforce_permissions(ONE)
    iot = aws.new("iot", account=key)
    with refused("AccessDeniedException", f"User: arn:aws:iam::{ONE}:user/me is not authorized"):
        iot.list_ca_certificates()
    iam.create_group(GroupName="readers")
    iam.add_user_to_group(GroupName="readers", UserName="me")
    iam.put_group_policy(
        GroupName="readers", PolicyName="p", PolicyDocument=document(policy("iot:List*"))
    )
    iot.list_ca_certificates()
    with refused("AccessDeniedException"):
        iot.get_registration_code()
    iam.put_user_policy(
        UserName="me", PolicyName="p", PolicyDocument=document(policy("iot:GetRegistrationCode"))
    )
    iot.get_registration_code()
    # Root may still do everything.
    aws.iot().list_ca_certificates()


def test_session_policy_and_boundary_only_restrict(aws: Clients, sandbox: Sandbox) -> None:
    role = Role(aws, Policy=document(policy("iot:*")))
    sandbox.enforce_permissions(ONE)
    role.grant(policy(["iot:ListCACertificates", "iam:GetRole"]))
    iot, iam = role.client("iot"), role.client("iam")
    iot.list_ca_certificates()
    with denied("iot:GetRegistrationCode", "*"):
        iot.get_registration_code()
    why = "because no session policy allows the iam:GetRole action"
    with denied("iam:GetRole", f"arn:aws:iam::{ONE}:role/deploy", why, "AccessDenied"):
        iam.get_role(RoleName="deploy")

    made = aws.iam().create_policy(PolicyName="bounds", PolicyDocument=document(policy("iot:Get*")))
    aws.iam().put_role_permissions_boundary(
        RoleName="deploy", PermissionsBoundary=made["Policy"]["Arn"]
    )
    why = "because no permissions boundary allows the iot:ListCACertificates action"
    with denied("iot:ListCACertificates", "*", why):
        iot.list_ca_certificates()
    with refused("NotImplemented"):
        aws.sts().assume_role(
            RoleArn=f"arn:aws:iam::{ONE}:role/deploy",
            RoleSessionName="run",
            PolicyArns=[{"arn": made["Policy"]["Arn"]}],
        )


def test_conditions_use_the_call(role: Role, aws: Clients) -> None:
    aws.role(ONE, "for-iot")
    passing = f"arn:aws:iam::{ONE}:role/for-iot"
    members = {"templateName": "t", "templateBody": "{}", "provisioningRoleArn": passing}
    iot = role.client("iot")
    template = f"{REGISTRY}:provisioningtemplate/t"
    role.grant(
        policy("iot:CreateProvisioningTemplate", template),
        policy("iam:PassRole", "*", condition={"StringEquals": {"iam:PassedToService": "x"}}),
    )
    with denied("iam:PassRole", passing):
        iot.create_provisioning_template(**members)
    service = {
        "StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "iot.amazonaws.com"]}
    }
    role.grant(
        policy("iot:CreateProvisioningTemplate", template),
        policy("iam:PassRole", passing, condition=service),
    )
    with denied("iam:GetRole", passing):
        iot.create_provisioning_template(**members)
    role.grant(
        policy("iot:CreateProvisioningTemplate", template),
        policy("iam:PassRole", passing, condition=service),
        policy("iam:GetRole", passing),
    )
    with refused("InvalidRequestException"):  # the body: that far the call gets now
        iot.create_provisioning_template(**members)
    with denied("iot:TagResource", template):
        iot.create_provisioning_template(**members, tags=[{"Key": "a", "Value": "b"}])
    us_east_1 = {"StringEquals": {"aws:RequestedRegion": "us-east-1"}}
    role.grant(policy("iot:ListCACertificates", condition=us_east_1))
    with denied("iot:ListCACertificates", "*"):
        iot.list_ca_certificates()


def test_a_certificate_is_attached_to_things_that_the_policy_names(
    role: Role, aws: Clients
) -> None:
    certificate = aws.iot().create_keys_and_certificate()["certificateArn"]
    for name in ("one", "other"):
        aws.iot().create_thing(thingName=name)
    one = {"ArnEquals": {"iot:thingArn": f"{REGISTRY}:thing/one"}}
    iot = role.client("iot")
    role.grant(policy("iot:AttachThingPrincipal", f"{REGISTRY}:cert/*", condition=one))
    iot.attach_thing_principal(thingName="one", principal=certificate)
    with denied("iot:AttachThingPrincipal", certificate):
        iot.attach_thing_principal(thingName="other", principal=certificate)


def test_unknown_operations_are_refused(role: Role) -> None:
    role.grant(policy("*"))
    with pytest.raises(ClientError, match=r"perform: iot:ListJobs: the sandbox does not know"):
        role.client("iot").list_jobs()
    role.grant(policy("iot:GetPolicy"))
    assert role.client("sts").get_caller_identity()["Arn"] == CALLER


def test_invoke_needs_permission(role: Role) -> None:
    function = f"arn:aws:lambda:{REGION}:{ONE}:function:f"
    with denied("lambda:InvokeFunction", function):
        role.client("lambda").invoke(FunctionName="f")
    role.grant(policy("lambda:InvokeFunction", function))
    with pytest.raises(ClientError) as caught:
        role.client("lambda").invoke(FunctionName="f")
    assert caught.value.response["Error"]["Code"] != "AccessDeniedException"


@pytest.mark.parametrize("function", ["f:live", f"arn:aws:lambda:us-east-1:{TWO}:function:f:live"])
def test_permissions_on_aliases_and_function_arns(role: Role, function: str) -> None:
    function_arn = f"arn:aws:lambda:{REGION}:{ONE}:function:f"
    asked = function if function.startswith("arn:") else f"{function_arn}:live"
    role.grant(policy("lambda:InvokeFunction", function_arn))
    with denied("lambda:InvokeFunction", asked):
        role.client("lambda").invoke(FunctionName=function)


def test_calls_record_needed_permissions(role: Role, sandbox: Sandbox) -> None:
    role.grant(policy("iot:*"))
    sandbox.forget_calls()
    role.client("iot").list_ca_certificates()
    (call,) = sandbox.calls(operation="ListCACertificates")
    assert call.permissions == ["iot:ListCACertificates *"]


def test_tables_name_real_operations() -> None:
    """A misspelt row would refuse the operation that it is meant for."""
    from botocore.session import Session

    session = Session()
    models = {"monitoring": "cloudwatch"}
    for service, table in permissions.TABLES.items():
        model = session.get_service_model(models.get(service, service))
        assert set(table) <= set(model.operation_names), service


def test_policy_without_principal_is_identity_based() -> None:
    caller = Principal(ONE, CALLER, "id", f"arn:aws:iam::{ONE}:role/deploy")
    text = document(policy("iot:*"))
    assert verdict_of(text, caller, "iot:GetPolicy", "*", attached=True) is True
    assert verdict_of(text, caller, "iot:GetPolicy", "*") is None
