"""Observe a role with its policies and its permissions boundary. Read-only."""

from __future__ import annotations

import json
import re
from typing import Any

from iot_ca.provisioning.facts import MissingRole, PolicyDocument, Role, RoleFacts, Unreadable
from iot_ca.provisioning.observe.reading import Reader

_MARKER = ("Marker", "Marker")
_AWS_POLICY = re.compile(r"arn:[a-z-]+:iam::aws:policy/")


def observe_role(reader: Reader, arn: str) -> RoleFacts:
    """Return a role; Unreadable if any of its policies can't be read."""
    name = arn.rpartition("/")[2]
    answer = reader.read("iam", "get_role", RoleName=name)
    if isinstance(answer, Unreadable):
        return answer
    if answer is None or answer["Role"]["Arn"] != arn:
        return MissingRole(arn)
    inline = _inline(reader, name)
    managed = _managed(reader, name)
    boundary = (answer["Role"].get("PermissionsBoundary") or {}).get("PermissionsBoundaryArn")
    bounding = None if boundary is None else _managed_policy(reader, boundary)
    for part in (inline, managed, bounding):
        if isinstance(part, Unreadable):
            return part
    trust = _text(answer["Role"]["AssumeRolePolicyDocument"])
    return Role(arn, trust, inline, managed, bounding)  # type: ignore[arg-type]


def _inline(reader: Reader, role: str) -> tuple[PolicyDocument, ...] | Unreadable:
    names = reader.read_pages("iam", "list_role_policies", "PolicyNames", _MARKER, RoleName=role)
    if names is None or isinstance(names, Unreadable):
        return names or ()
    documents = []
    for name in names:
        answer = reader.read("iam", "get_role_policy", RoleName=role, PolicyName=name)
        if isinstance(answer, Unreadable):
            return answer
        if answer is not None:
            documents.append(PolicyDocument(name, _text(answer["PolicyDocument"])))
    return tuple(documents)


def _managed(reader: Reader, role: str) -> tuple[PolicyDocument, ...] | Unreadable:
    attached = reader.read_pages(
        "iam", "list_attached_role_policies", "AttachedPolicies", _MARKER, RoleName=role
    )
    if attached is None or isinstance(attached, Unreadable):
        return attached or ()
    documents = []
    for policy in attached:
        document = _managed_policy(reader, policy["PolicyArn"])
        if isinstance(document, Unreadable):
            return document
        documents.append(document)
    return tuple(documents)


def _managed_policy(reader: Reader, arn: str) -> PolicyDocument | Unreadable:
    """Return a managed policy in its default version; one that is gone allows nothing."""
    if arn in reader.aws_policies:
        return reader.aws_policies[arn]
    answer = reader.read("iam", "get_policy", PolicyArn=arn)
    if isinstance(answer, Unreadable):
        return answer
    if answer is None:
        return PolicyDocument(arn, "{}")
    version = answer["Policy"]["DefaultVersionId"]
    answer = reader.read("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
    if isinstance(answer, Unreadable):
        return answer
    document = {} if answer is None else answer["PolicyVersion"]["Document"]
    policy = PolicyDocument(arn, _text(document))
    if _AWS_POLICY.match(arn):
        reader.aws_policies[arn] = policy
    return policy


def _text(document: Any) -> str:
    """Return a policy document as text; botocore has parsed it."""
    return document if isinstance(document, str) else json.dumps(document)
