"""moto's AWS Private CA with root CAs that issue certificates as asked, also to other accounts.

Only what a CA in Private CA needs: to be created, to prove that it is owned, to be disabled.
Subordinate CAs, revocation, and other templates than those of roots and end entities are refused.

Sources, named where a rule is enforced:
  API ref.  Private CA API reference, and botocore's ``acm-pca`` model made with it
  guide     Private CA user guide, "Certificate templates" and "Resource-based policies"
  seen      a message that users of AWS have published
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

import json
from datetime import datetime, timezone

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from moto.acmpca.models import ACMPCABackend, acmpca_backends
from moto.acmpca.responses import ACMPCAResponse
from moto.core.utils import unix_time

from sandbox.errors import AWSError
from sandbox.identity.policies import is_policy, verdict_of
from sandbox.keys.certificate_authority import (
    KEY_ALGORITHMS,
    SIGNING_ALGORITHMS,
    SUBJECT,
    PrivateCa,
    end_of_validity,
    invalid_arguments,
    load_csr,
    pem_of,
    template_name_of,
    wrong_state,
)
from sandbox.keys.json_operations import (
    ARN,
    JsonOperations,
    access_denied,
    explicit_deny,
    not_here,
    policy_silent,
)
from sandbox.moto_service import ServedBackend

SUPPORTED = frozenset(
    {
        "CreateCertificateAuthority",
        "DescribeCertificateAuthority",
        "GetCertificate",
        "GetCertificateAuthorityCertificate",
        "GetCertificateAuthorityCsr",
        "GetPolicy",
        "ImportCertificateAuthorityCertificate",
        "IssueCertificate",
        "ListTags",
        "PutPolicy",
        "UpdateCertificateAuthority",
    }
)
# guide, "Resource-based policies": what another account may do with a shared CA.
ACROSS_ACCOUNTS = frozenset(
    {
        "DescribeCertificateAuthority",
        "GetCertificate",
        "GetCertificateAuthorityCertificate",
        "IssueCertificate",
        "ListTags",
    }
)


class PrivateCaOperations(JsonOperations, ACMPCAResponse):
    """The operations that differ from moto's, and what every operation has to pass."""

    backends = acmpca_backends
    supported = SUPPORTED

    def authorize(self, operation: str) -> None:
        """Let pass what the CA's policy doesn't deny, from other accounts what it allows.

        A missing CA of another account looks like a forbidden one.
        """
        member = "CertificateAuthorityArn"
        if member not in self.document:
            member = "ResourceArn"
        arn = self.text(member)
        if arn is None:
            return
        parts = ARN.fullmatch(arn)
        if not parts or parts[2] != "acm-pca" or parts[3] != self.region:
            raise AWSError("InvalidArnException", f"{arn} is not the ARN of a CA in this Region")
        owner, foreign = parts[4], parts[4] != self.current_account
        action = f"acm-pca:{operation}"
        ca = acmpca_backends[owner][self.region].certificate_authorities.get(arn)
        verdict = None
        if ca is not None:
            # Whether the default template counts as named is not documented: here it does not.
            template = self.text("TemplateArn")
            context = {} if template is None else {"acm-pca:TemplateArn": template}
            verdict = verdict_of(ca.policy or "", self.principal, action, arn, context)
        if verdict is False:
            raise access_denied(self.principal, action, arn, explicit_deny())
        if foreign and (verdict is None or operation not in ACROSS_ACCOUNTS):
            raise access_denied(self.principal, action, arn, policy_silent(action))
        self.current_account = owner

    def _authority(self) -> PrivateCa:
        arn = self.needed("CertificateAuthorityArn")
        ca = self.account_backend().certificate_authorities.get(arn)
        if ca is None:
            raise AWSError("ResourceNotFoundException", f"Could not find {arn}")
        assert isinstance(ca, PrivateCa)
        return ca

    # --- CAs

    def create_certificate_authority(self) -> str:
        """CreateCertificateAuthority: the key and subject that are asked for, now and not later."""
        configuration = self.document.get("CertificateAuthorityConfiguration")
        if not isinstance(configuration, dict):
            raise invalid_arguments("CertificateAuthorityConfiguration is required")
        signs_with = configuration.get("SigningAlgorithm")
        if configuration.get("KeyAlgorithm") not in KEY_ALGORITHMS:
            raise invalid_arguments(f"KeyAlgorithm must be one of {', '.join(KEY_ALGORITHMS)}")
        if signs_with not in SIGNING_ALGORITHMS:
            names = ", ".join(SIGNING_ALGORITHMS)
            raise invalid_arguments(f"SigningAlgorithm must be one of {names}")
        subject = configuration.get("Subject")
        if not isinstance(subject, dict) or not subject or not set(subject) <= set(SUBJECT):
            raise invalid_arguments(f"Subject must have members of {', '.join(SUBJECT)}")
        self.choice("UsageMode", ("GENERAL_PURPOSE",), "GENERAL_PURPOSE")
        ca = PrivateCa(
            region=self.region,
            account_id=self.current_account,
            certificate_authority_configuration=configuration,
            certificate_authority_type=self.choice("CertificateAuthorityType", ("ROOT",)),
            revocation_configuration=self.document.get("RevocationConfiguration"),
            security_standard=self.text("KeyStorageSecurityStandard"),
        )
        ca.check_signs_with(signs_with)
        backend = self.account_backend()
        backend.certificate_authorities[ca.arn] = ca
        backend.tagger.tag_resource(ca.arn, self.document.get("Tags", []))
        return json.dumps({"CertificateAuthorityArn": ca.arn})

    def import_certificate_authority_certificate(self) -> str:
        """ImportCertificateAuthorityCertificate: self-signed with the CA's own key (API ref.)."""
        ca = self._authority()
        certificate = _load(self.blob("Certificate", 32768))
        if "CertificateChain" in self.document:
            raise _mismatch("A root CA certificate has no chain")
        constraints = [
            extension.value
            for extension in certificate.extensions
            if isinstance(extension.value, x509.BasicConstraints) and extension.critical
        ]
        if not constraints or not constraints[0].ca:
            raise _malformed("The certificate must have critical basic constraints with CA true")
        if not ca.is_own(certificate.public_key()):
            raise _mismatch("The certificate's public key is not the CA's")
        try:
            certificate.verify_directly_issued_by(certificate)
        except (InvalidSignature, ValueError, TypeError):
            raise _mismatch("The certificate of a root CA must be self-signed") from None
        ca.certificate_bytes = pem_of(certificate).encode()
        ca.status, ca.updated_at = "ACTIVE", unix_time()
        return "{}"

    def get_certificate_authority_certificate(self) -> str:
        """GetCertificateAuthorityCertificate: InvalidStateException as long as there is none."""
        ca = self._authority()
        if ca.certificate is None:
            raise wrong_state(ca.arn, ca.status)
        return json.dumps({"Certificate": pem_of(ca.certificate)})

    def get_certificate_authority_csr(self) -> str:
        """GetCertificateAuthorityCsr."""
        return json.dumps({"Csr": self._authority().csr.decode().strip()})

    def update_certificate_authority(self) -> str:
        """UpdateCertificateAuthority: only of a CA that is ACTIVE or DISABLED (API ref.)."""
        ca = self._authority()
        if "Status" in self.document:
            self.choice("Status", ("ACTIVE", "DISABLED"))
        if ca.status not in {"ACTIVE", "DISABLED"}:
            raise wrong_state(ca.arn, ca.status)
        return super().update_certificate_authority()

    def put_policy(self) -> str:
        """PutPolicy: moto's, after a check of the policy."""
        if not is_policy(self.needed("Policy")):
            raise AWSError(
                "InvalidPolicyException",
                "The resource policy is invalid or is missing a required statement.",
            )
        return super().put_policy()

    # --- certificates

    def issue_certificate(self) -> str:
        """IssueCertificate. The certificate is there at once, but not given out at once.

        Not before is an hour ago, not after is what is asked for and not beyond the CA's own
        (API ref.). The same idempotency token within five minutes is the same certificate.
        """
        ca = self._authority()
        csr = load_csr(self.document.get("Csr"))
        template = template_name_of(self.text("TemplateArn"))
        ca.check_signs_with(self.choice("SigningAlgorithm", SIGNING_ALGORITHMS))
        if {"ValidityNotBefore", "ApiPassthrough"} & set(self.document):
            raise not_here("IssueCertificate with ValidityNotBefore or ApiPassthrough")
        now = datetime.now(timezone.utc).replace(microsecond=0)
        ends = end_of_validity(self.document.get("Validity"), now)
        if ends <= now:
            raise invalid_arguments("The validity ends before it begins")
        ca.check_can_issue(csr, template, ends)
        token, asked = self.text("IdempotencyToken"), json.dumps(self.document, sort_keys=True)
        arn = ca.issued_for(token, asked, now)
        if arn is None:
            arn = ca.issue(csr, template, now, ends)
            if token:
                ca.by_token[token] = (now, asked, arn)
        return json.dumps({"CertificateArn": arn})

    def get_certificate(self) -> str:
        """GetCertificate. The first time after the issue it is still in progress.

        AWS answers so for some seconds (API ref.; its own CLI has a waiter for it).
        """
        ca, arn = self._authority(), self.needed("CertificateArn")
        issued = ca.issued.get(arn)
        if issued is None:
            raise AWSError("ResourceNotFoundException", f"Could not find certificate {arn}")
        if not issued.ready:
            issued.ready = True
            message = f"The certificate {arn} is not yet issued. Try again."
            raise AWSError("RequestInProgressException", message)
        answer = {"Certificate": pem_of(issued.certificate)}
        if issued.chain:
            answer["CertificateChain"] = issued.chain
        return json.dumps(answer)


def _malformed(message: str) -> AWSError:
    return AWSError("MalformedCertificateException", message)


def _mismatch(message: str) -> AWSError:
    return AWSError("CertificateMismatchException", message)


def _load(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise _malformed("One or more fields in the certificate are invalid.") from None


class PrivateCaBackend(ServedBackend, ACMPCABackend):
    """moto's Private CA backend."""

    operations = PrivateCaOperations


def install() -> None:
    """Make moto use this module's Private CA."""
    acmpca_backends.backend = PrivateCaBackend
