"""Transfers of device certificates to another account, which moto lacks: the operations.

Source: API reference, "TransferCertificate" and "CancelCertificateTransfer". The target's side is
not here: nothing accepts a transfer.
"""

from __future__ import annotations

import re
from typing import Any

from moto.core.responses import ActionResult, EmptyResult

from sandbox.errors import AWSError
from sandbox.iot.operations.request import IoTRequest, utc_now
from sandbox.iot.refusals import invalid_request


class TransferOperations(IoTRequest):
    """The operations of the account that gives a certificate away."""

    def transfer_certificate(self) -> ActionResult:
        """TransferCertificate: of an INACTIVE certificate without policies or things."""
        target = self.query.get("targetAwsAccount", "")
        held = self._held()
        if not re.fullmatch("[0-9]{12}", target) or target == self.backend.account_id:
            raise invalid_request("targetAwsAccount must be another account")
        attached = any(
            principal == held.arn
            for principal, _ in (*self.backend.principal_policies, *self.backend.principal_things)
        )
        if held.status != "INACTIVE" or attached:
            raise AWSError(
                "CertificateStateException",
                "The certificate must be INACTIVE, without policies and things",
                406,
            )
        held.status = "PENDING_TRANSFER"
        held.transfer_data = {"transferDate": utc_now()}
        arn = held.arn.replace(f":{self.backend.account_id}:", f":{target}:")
        return ActionResult({"transferredCertificateArn": arn})

    def cancel_certificate_transfer(self) -> ActionResult:
        """CancelCertificateTransfer: the certificate is INACTIVE again (API reference)."""
        held = self._held()
        if held.status != "PENDING_TRANSFER":
            message = "The certificate is not in transfer"
            raise AWSError("TransferAlreadyCompletedException", message, 410)
        held.status, held.transfer_data = "INACTIVE", {}
        return EmptyResult()

    def _held(self) -> Any:
        return self.backend.describe_certificate(self.in_path("certificateId"))
