"""moto's STS with roles that must exist and must trust the caller, and sessions that end."""

from __future__ import annotations

import re
from datetime import timezone
from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import ActionResult
from moto.iam.models import iam_backends
from moto.sts.models import STSBackend as MotoStsBackend
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from sandbox.errors import AWSError, encode_error
from sandbox.identity.iam import find_role
from sandbox.identity.policies import is_policy, trusts
from sandbox.identity.principals import PRINCIPAL_KEY, Principal, Session, partition_of
from sandbox.moto_service import ServedBackend

# Sessions by access key ID. Module state, like moto's own; one server is one process.
SESSIONS: dict[str, Session] = {}


def _validation(message: str) -> AWSError:
    return AWSError("ValidationError", message)


class StsOperations(TokenResponse):
    """The STS operations that differ from moto's."""

    @property
    def principal(self) -> Principal:
        """Who calls."""
        principal: Principal = self.normalized_request.environ[PRINCIPAL_KEY]
        return principal

    def call_action(self) -> TYPE_RESPONSE:
        """Run the operation; a refusal becomes the XML in which STS sends it."""
        try:
            return super().call_action()
        except AWSError as error:
            return encode_error(error, "query")

    def get_caller_identity(self) -> ActionResult:
        """Answer with the principal that the request was authenticated as."""
        caller = self.principal
        return ActionResult(
            {"UserId": caller.user_id, "Account": caller.account, "Arn": caller.arn}
        )

    def assume_role(self) -> ActionResult:
        """Issue a session of a role that exists and trusts the caller (API ref., AssumeRole)."""
        role_arn = str(self._get_param("RoleArn") or "")
        session_name = str(self._get_param("RoleSessionName") or "")
        duration = int(self._get_int_param("DurationSeconds", 3600))
        policy = self._get_param("Policy")
        self._check_request(role_arn, session_name, duration, policy)
        external_id = self._get_param("ExternalId")
        role = self._trusting_role(role_arn, external_id)
        self._check_duration(role, duration)
        session = self.backend.assume_role(
            region_name=self.region,
            role_session_name=session_name,
            role_arn=role_arn,
            policy=policy,
            duration=duration,
            external_id=external_id,
        )
        SESSIONS[session.access_key_id] = Session(
            access_key_id=session.access_key_id,
            session_token=session.session_token,
            expiration=session.expiration.replace(tzinfo=timezone.utc),
            principal=Principal(session.account_id, session.arn, session.user_id, role_arn, policy),
        )
        return ActionResult(
            {
                "Credentials": session,
                "AssumedRoleUser": {"AssumedRoleId": session.user_id, "Arn": session.arn},
                "PackedPolicySize": 6,
            }
        )

    def _check_request(
        self, role_arn: str, session_name: str, duration: int, policy: str | None
    ) -> None:
        """Refuse what is wrong with the request in itself."""
        if not re.fullmatch(r"[\w+=,.@-]{2,64}", session_name):
            raise _validation(
                f"1 validation error detected: Value '{session_name}' at 'roleSessionName' failed "
                "to satisfy constraint: Member must satisfy regular expression pattern: "
                r"[\w+=,.@-]* and have length between 2 and 64"
            )
        if not 900 <= duration <= 43200:
            raise _validation(
                f"1 validation error detected: Value '{duration}' at 'durationSeconds' failed to "
                "satisfy constraint: Member must have value between 900 and 43200"
            )
        if not role_arn.startswith("arn:"):
            raise _validation(f"{role_arn} is invalid")
        if self._get_param("PolicyArns"):
            raise AWSError("NotImplemented", "The sandbox takes no PolicyArns of a session", 501)
        if policy is not None and not is_policy(policy):
            raise AWSError("MalformedPolicyDocument", "This policy contains invalid Json")

    def _trusting_role(self, role_arn: str, external_id: str | None) -> Any:
        """Return moto's role of this ARN if it trusts the caller; AccessDenied otherwise.

        AWS says the same whether the role is missing or doesn't trust the caller.
        """
        caller = self.principal
        role = find_role(role_arn) if role_arn.split(":")[1] == self.partition else None
        if role is None or not trusts(role.assume_role_policy_document, caller, external_id):
            raise AWSError(
                "AccessDenied",
                f"User: {caller.arn} is not authorized to perform: sts:AssumeRole on resource: "
                f"{role_arn}",
                403,
            )
        return role

    def _check_duration(self, role: Any, duration: int) -> None:
        """Refuse a session that is longer than the role, or chaining roles, allows."""
        if self.principal.role_arn and duration > 3600:
            raise _validation(
                "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed "
                "by role chaining"
            )
        if duration > int(role.max_session_duration or 3600):
            raise _validation(
                "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
            )

    def _not_here(self) -> ActionResult:
        raise AWSError("AccessDenied", "The sandbox issues sessions by AssumeRole only", 403)

    # moto answers these with keys that no principal has.
    get_session_token = _not_here
    get_federation_token = _not_here
    assume_role_with_saml = _not_here
    assume_role_with_web_identity = _not_here


class StsBackend(ServedBackend, MotoStsBackend):
    """moto's STS backend."""

    operations = StsOperations


def principal_of_access_key(access_key_id: str, region: str) -> Principal | None:
    """Return the IAM user whose key this is, in any account; None for an unknown key."""
    partition = partition_of(region)
    for account in list(iam_backends):
        backend = iam_backends[account][partition]
        key = backend.access_keys.get(access_key_id)
        if key is None or key.status != "Active" or key.user_name is None:
            continue
        user = backend.users.get(key.user_name)
        if user is not None:
            return Principal(account, user.arn, user.id)
    return None


def install() -> None:
    """Make moto use this module's STS."""
    sts_backends.backend = StsBackend
