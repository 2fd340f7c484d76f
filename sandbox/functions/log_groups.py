"""moto's log groups with keys of the user's own.

Source: CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using AWS KMS": the key is
symmetric and enabled, and its policy lets the service of the Region use it for the log group.
"""

from __future__ import annotations

from typing import Any

from moto.core.exceptions import JsonRESTError
from moto.logs.models import LogsBackend as MotoLogsBackend
from moto.logs.models import logs_backends
from moto.logs.responses import LogsResponse

from sandbox.identity.policies import verdict_of
from sandbox.identity.principals import ServicePrincipal
from sandbox.keys.kms import ENCRYPT, find_key
from sandbox.moto_service import ServedBackend

NEEDED_ACTIONS = ("kms:Encrypt", "kms:Decrypt", "kms:GenerateDataKey")


class LogOperations(LogsResponse):
    """The operations on log groups that differ from moto's, or that moto lacks."""

    def create_log_group(self) -> str:
        """CreateLogGroup."""
        if self._get_param("kmsKeyId"):
            self._check_key()
        return super().create_log_group()

    def associate_kms_key(self) -> str:
        """AssociateKmsKey, for a log group; the sandbox has no encrypted query results."""
        self._check_key()
        self._group().kms_key_id = self._get_param("kmsKeyId")
        return "{}"

    def disassociate_kms_key(self) -> str:
        """DisassociateKmsKey."""
        self._group().kms_key_id = None
        return "{}"

    def _group(self) -> Any:
        group = self.logs_backend.groups.get(self._get_param("logGroupName"))
        if group is None:
            message = "The specified log group does not exist."
            raise JsonRESTError("ResourceNotFoundException", message)
        return group

    def _check_key(self) -> None:
        reference, name = self._get_param("kmsKeyId"), self._get_param("logGroupName")
        partition = str(self.partition)
        group = f"arn:{partition}:logs:{self.region}:{self.current_account}:log-group:{name}"
        key = find_key(reference, self.current_account, self.region)
        service = ServicePrincipal(f"logs.{self.region}.amazonaws.com")
        context = {"kms:EncryptionContext:aws:logs:arn": group}
        if (
            key is None
            or not reference.startswith("arn:")
            or (key.key_state, key.key_usage) != ("Enabled", ENCRYPT)
            or key.key_spec != "SYMMETRIC_DEFAULT"
            or not all(
                verdict_of(key.policy or "", service, action, key.arn, context)
                for action in NEEDED_ACTIONS
            )
        ):
            message = "The specified KMS key does not exist or is not allowed to be used with Arn"
            raise JsonRESTError("InvalidParameterException", f"{message} '{group}'")


class LogsBackend(ServedBackend, MotoLogsBackend):
    """moto's backend, with these operations."""

    operations = LogOperations


def install() -> None:
    """Make moto use this module's log groups. Called before the first call of the logs' API."""
    setattr(logs_backends, "backend", LogsBackend)  # noqa: B010 - the type is moto's to mypy
