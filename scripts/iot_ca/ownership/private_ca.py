"""`acm_pca_arn`: the CA is one of AWS Private CA, which issues the verification certificate."""

from __future__ import annotations

import hashlib
import time
from typing import Any

from iot_ca import utc
from iot_ca.certificates import fields
from iot_ca.errors import Failure
from iot_ca.ownership import verification_certificate
from iot_ca.ownership.proof import Proof

_POLL_INTERVAL_SECONDS = 1
_MAX_POLLS = 60


class PrivateCa(Proof):
    """Has AWS Private CA issue the proof, with the permissions of the program's credentials."""

    attribute = "acm_pca_arn"
    noun = "the ARN of a private CA"

    def check(self) -> list[str]:
        """Check that the private CA is this CA; its certificate may be a renewal of this one."""
        from cryptography import x509

        location, client = self.location, self._client
        with self.account.failures("acm-pca"):
            answer = client.get_certificate_authority_certificate(
                CertificateAuthorityArn=self.value
            )
            issuer = x509.load_pem_x509_certificate(answer["Certificate"].encode())
            is_the_key = issuer.public_key() == self.authority.public_key()
        if not is_the_key or not fields.same_subject(issuer, self.authority):
            raise Failure(
                f"{location} is another CA than certificate_pem; set the ARN of the CA in "
                "certificate_pem"
            )
        return []

    def issue(self) -> str:
        """Return a verification certificate that the private CA has issued just now."""
        self.check()
        code = self.account.registration_code
        with self.account.failures("acm-pca"):
            arn = self._request(verification_certificate.request(code))
            proof = self._wait_for(arn)
        return verification_certificate.check(proof, self.authority, code, utc.now())

    @property
    def _client(self) -> Any:
        return self.account.client("acm-pca", self.region)

    def _request(self, csr: str) -> str:
        """Request a certificate for a CSR; return the certificate's ARN."""
        from cryptography.hazmat.primitives.asymmetric import rsa

        is_rsa = isinstance(self.authority.public_key(), rsa.RSAPublicKey)
        expiry = verification_certificate.expiry(self.authority, utc.now())
        partition = self.value.split(":")[1]
        issued = self._client.issue_certificate(
            CertificateAuthorityArn=self.value,
            Csr=csr.encode(),
            # A retry of the SDK must not be a second certificate.
            IdempotencyToken=hashlib.sha256(csr.encode()).hexdigest()[:32],
            # Named, since the policy of a shared CA can allow some templates only.
            TemplateArn=f"arn:{partition}:acm-pca:::template/EndEntityCertificate/V1",
            SigningAlgorithm="SHA256WITHRSA" if is_rsa else "SHA256WITHECDSA",
            # Seconds since 1970 (API reference, Validity).
            Validity={"Type": "ABSOLUTE", "Value": int(expiry.timestamp())},
        )
        return str(issued["CertificateArn"])

    def _wait_for(self, certificate_arn: str) -> str:
        """Return an issued certificate as PEM; raises Failure if it takes too long.

        botocore's waiter would report a missing permission as a wait that was too short.
        """
        names = {"CertificateAuthorityArn": self.value, "CertificateArn": certificate_arn}
        for _ in range(_MAX_POLLS):
            try:
                return str(self._client.get_certificate(**names)["Certificate"])
            except self._client.exceptions.RequestInProgressException:
                time.sleep(_POLL_INTERVAL_SECONDS)
        raise Failure(
            f"{self.location} has not issued the verification certificate within "
            f"{_MAX_POLLS * _POLL_INTERVAL_SECONDS} seconds; check that CA and apply again"
        )
