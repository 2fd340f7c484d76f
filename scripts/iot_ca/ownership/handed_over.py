"""`certificate_pem`: the holder of the CA's key has handed over a verification certificate."""

from __future__ import annotations

from iot_ca import utc
from iot_ca.ownership import verification_certificate
from iot_ca.ownership.proof import Proof


class HandedOver(Proof):
    """Sends the verification certificate that was handed over."""

    attribute = "certificate_pem"
    noun = "a certificate"

    def check(self) -> list[str]:
        """Check that the certificate belongs to the CA and to the registration code."""
        self.issue()
        return []

    def issue(self) -> str:
        """Return the certificate that was handed over, if it passes the check."""
        code = self.account.registration_code
        return verification_certificate.check(self.value, self.authority, code, utc.now())
