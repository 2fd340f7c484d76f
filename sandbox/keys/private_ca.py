"""moto's AWS Private CA with certificates as they are asked for, and other accounts.

Sources, named where a rule is enforced:
  API ref.  Private CA API reference, and botocore's ``acm-pca`` model made with it
  guide     Private CA user guide, "Certificate templates" and "Resource-based policies"
  seen      a message that users of AWS have published
  stricter  AWS's behaviour isn't known; the sandbox takes the less convenient guess
"""

from __future__ import annotations

import base64
import binascii
import calendar
import functools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose
from cryptography.x509.oid import NameOID, ObjectIdentifier
from moto.acmpca.models import ACMPCABackend, CertificateAuthority, acmpca_backends
from moto.acmpca.responses import ACMPCAResponse
from moto.core.common_types import TYPE_RESPONSE
from moto.core.utils import unix_time

from sandbox.errors import AWSError
from sandbox.identity.policies import is_policy, verdict_of
from sandbox.keys.json_services import (
    ARN,
    JsonResponse,
    access_denied,
    explicit_deny,
    policy_silent,
    validation,
)

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

KEY_ALGORITHMS: dict[str, Callable[[], Key]] = {
    "RSA_2048": lambda: rsa.generate_private_key(65537, 2048),
    "RSA_3072": lambda: rsa.generate_private_key(65537, 3072),
    "RSA_4096": lambda: rsa.generate_private_key(65537, 4096),
    "EC_prime256v1": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EC_secp384r1": lambda: ec.generate_private_key(ec.SECP384R1()),
    "EC_secp521r1": lambda: ec.generate_private_key(ec.SECP521R1()),
}
Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512
HASHES: dict[str, Hash] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}
SIGNING_ALGORITHMS = tuple(
    f"{name}WITH{family}" for family in ("ECDSA", "RSA", "RSA_PSS") for name in HASHES
)
SUBJECT = {
    "Country": NameOID.COUNTRY_NAME,
    "Organization": NameOID.ORGANIZATION_NAME,
    "OrganizationalUnit": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "DistinguishedNameQualifier": NameOID.DN_QUALIFIER,
    "State": NameOID.STATE_OR_PROVINCE_NAME,
    "CommonName": NameOID.COMMON_NAME,
    "SerialNumber": NameOID.SERIAL_NUMBER,
    "Locality": NameOID.LOCALITY_NAME,
    "Title": NameOID.TITLE,
    "Surname": NameOID.SURNAME,
    "GivenName": NameOID.GIVEN_NAME,
    "Initials": NameOID.INITIALS,
    "Pseudonym": NameOID.PSEUDONYM,
    "GenerationQualifier": NameOID.GENERATION_QUALIFIER,
}

# guide, "Resource-based policies": what another account may do with a shared CA.
ACROSS_ACCOUNTS = frozenset(
    {
        "DescribeCertificateAuthority",
        "GetCertificate",
        "GetCertificateAuthorityCertificate",
        "IssueCertificate",
        "ListPermissions",
        "ListTags",
        "RevokeCertificate",
    }
)


@dataclass(frozen=True)
class Template:
    """What a certificate template puts into a certificate (guide)."""

    is_ca: bool = False
    path_length: int | None = None
    purposes: tuple[ObjectIdentifier, ...] = ()
    is_root: bool = False


TEMPLATES = {
    "EndEntityCertificate/V1": Template(purposes=(Purpose.SERVER_AUTH, Purpose.CLIENT_AUTH)),
    "EndEntityClientAuthCertificate/V1": Template(purposes=(Purpose.CLIENT_AUTH,)),
    "EndEntityServerAuthCertificate/V1": Template(purposes=(Purpose.SERVER_AUTH,)),
    "RootCACertificate/V1": Template(is_ca=True, is_root=True),
    **{
        f"SubordinateCACertificate_PathLen{length}/V1": Template(is_ca=True, path_length=length)
        for length in range(4)
    },
}
DEFAULT_TEMPLATE = "EndEntityCertificate/V1"


@dataclass
class Issued:
    """A certificate that a CA has issued. ``ready``: whether it has been asked for before."""

    certificate: x509.Certificate
    chain: str
    ready: bool = False


def _invalid(message: str) -> AWSError:
    return AWSError("InvalidArgsException", message)


def _wrong_state(arn: str, status: str) -> AWSError:
    message = f"The certificate authority {arn} is in state {status}, which doesn't allow this"
    return AWSError("InvalidStateException", message)


# --- what is asked for


def load_csr(encoded: Any) -> x509.CertificateSigningRequest:
    """The request of a ``Csr`` member; MalformedCSRException unless it is signed by its own key."""
    try:
        csr = x509.load_pem_x509_csr(base64.b64decode(str(encoded), validate=True))
        if not csr.is_signature_valid:
            raise ValueError
        has_name = bool(csr.subject.rdns) or any(
            isinstance(extension.value, x509.SubjectAlternativeName) for extension in csr.extensions
        )
    except (ValueError, binascii.Error):
        raise AWSError("MalformedCSRException", "The CSR is not valid.") from None
    if not has_name:  # API ref.
        raise AWSError("MalformedCSRException", "The CSR has neither a subject nor a SAN.")
    return csr


def moment_of(validity: Any, now: datetime) -> datetime:
    """The moment that a ``Validity`` names (model). ValidationException for one that names none.

    Months and years count in the calendar; the last day of a month is the furthest they reach.
    """
    members = validity if isinstance(validity, dict) else {}
    kind, value = members.get("Type"), members.get("Value")
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise validation(
            f"Value '{value}' at 'validity.value' failed to satisfy constraint: Member must have "
            "value greater than or equal to 1"
        )
    try:
        match kind:
            case "ABSOLUTE":
                return datetime.fromtimestamp(value, timezone.utc)
            case "END_DATE":
                return _end_date(str(value))
            case "DAYS":
                return now + timedelta(days=value)
            case "MONTHS" | "YEARS":
                months = now.month - 1 + value * (1 if kind == "MONTHS" else 12)
                year, month = now.year + months // 12, months % 12 + 1
                day = min(now.day, calendar.monthrange(year, month)[1])
                return now.replace(year=year, month=month, day=day)
    except (ValueError, OverflowError, OSError):
        raise _invalid(f"The validity {kind} {value} names no date") from None
    raise validation(
        f"Value '{kind}' at 'validity.type' failed to satisfy constraint: Member must satisfy enum "
        "value set: [END_DATE, ABSOLUTE, DAYS, MONTHS, YEARS]"
    )


def _end_date(digits: str) -> datetime:
    """YYYYMMDDHHMMSS, or YYMMDDHHMMSS of the years 1950 to 2049 (model)."""
    if len(digits) <= 12:
        digits = digits.zfill(12)
        digits = ("19" if int(digits[:2]) >= 50 else "20") + digits
    if len(digits) != 14:
        raise ValueError(digits)
    return datetime.strptime(digits, "%Y%m%d%H%M%S").replace(tzinfo=timezone.utc)


def template_of(arn: str | None) -> Template:
    """The template with this ARN, of those that the sandbox has; InvalidArgs for any other."""
    name = re.sub(r"^arn:aws[a-z-]*:acm-pca:::template/", "", arn or DEFAULT_TEMPLATE)
    if (arn and name == arn) or name not in TEMPLATES:
        raise _invalid(f"The certificate template {arn} is unknown to the sandbox")
    return TEMPLATES[name]


# --- the CA


class Authority(CertificateAuthority):
    """A private CA with the key and the subject that were asked for."""

    def __init__(self, *, usage_mode: str, **members: Any) -> None:
        super().__init__(**members)
        self.usage_mode = usage_mode
        configuration = self.certificate_authority_configuration
        self.own_key = KEY_ALGORITHMS[configuration["KeyAlgorithm"]]()
        self.issued: dict[str, Issued] = {}
        self.by_token: dict[str, tuple[datetime, str, str]] = {}

    @property
    def key(self) -> Key:  # type: ignore[override]
        """The private key."""
        return self.own_key

    @property
    def issuer(self) -> x509.Name:
        """The name of the CA: its certificate's, or the one it was created with."""
        if self.certificate is not None:
            return self.certificate.subject
        return x509.Name(
            [
                x509.NameAttribute(oid, self.subject[member])
                for member, oid in SUBJECT.items()
                if member in self.subject
            ]
        )

    @functools.cached_property
    def csr(self) -> bytes:
        """The CA's own request, signed once with the algorithm that the CA was created with."""
        algorithm = self.certificate_authority_configuration["SigningAlgorithm"]
        builder = x509.CertificateSigningRequestBuilder().subject_name(self.issuer)
        builder = builder.add_extension(x509.BasicConstraints(True, None), critical=True)
        csr = builder.sign(self.key, HASHES[algorithm[:6]], rsa_padding=_padding(algorithm))
        return csr.public_bytes(Encoding.PEM)

    def to_json(self) -> dict[str, Any]:
        """As moto's, with the serial number of the certificate."""
        document: dict[str, Any] = super().to_json()
        if self.certificate is not None:
            document["Serial"] = _serial(self.certificate)
        return document

    def is_own(self, public_key: Any) -> bool:
        """Whether ``public_key`` is the CA's."""
        return _der(public_key) == _der(self.key.public_key())

    def check_signs_with(self, algorithm: str) -> None:
        """InvalidArgsException unless the algorithm is one for the CA's key (API ref.)."""
        family = "ECDSA" if isinstance(self.key, ec.EllipticCurvePrivateKey) else "RSA"
        if not algorithm.partition("WITH")[2].startswith(family):
            raise _invalid(f"The CA's key can't sign with {algorithm}")

    def issue(
        self,
        csr: x509.CertificateSigningRequest,
        template: Template,
        algorithm: str,
        starts: datetime,
        ends: datetime,
    ) -> x509.Certificate:
        """A certificate with the request's subject, key and SAN, and the template's extensions."""
        public_key = csr.public_key()
        builder = (
            x509.CertificateBuilder()
            .subject_name(csr.subject)
            .issuer_name(csr.subject if template.is_root else self.issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(template.is_ca, template.path_length), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=not template.is_ca,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=template.is_ca,
                    crl_sign=template.is_ca,
                    encipher_only=False,
                    decipher_only=False,
                ),
                True,
            )
        )
        if not template.is_root:
            own = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
            builder = builder.add_extension(own, False)
        if template.purposes:
            builder = builder.add_extension(x509.ExtendedKeyUsage(template.purposes), False)
        for extension in csr.extensions:
            if isinstance(extension.value, x509.SubjectAlternativeName):
                builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(self.key, HASHES[algorithm[:6]], rsa_padding=_padding(algorithm))


def _padding(algorithm: str) -> padding.PSS | None:
    if not algorithm.endswith("RSA_PSS"):
        return None
    return padding.PSS(padding.MGF1(HASHES[algorithm[:6]]), padding.PSS.DIGEST_LENGTH)


def _der(public_key: Any) -> bytes:
    encoded: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return encoded


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode().strip()


def _serial(certificate: x509.Certificate) -> str:
    return certificate.serial_number.to_bytes(20, "big").lstrip(b"\0").hex(":")


class Backend(ACMPCABackend):
    """moto's Private CA backend, answered for by this module's Response."""

    @property
    def url_paths(self) -> dict[str, Callable[[Any, str, Any], TYPE_RESPONSE]]:
        """Where requests go."""
        return {"/$": Response.dispatch}


class Response(JsonResponse, ACMPCAResponse):
    """The operations that differ from moto's, and what every operation has to pass."""

    backends = acmpca_backends

    def authorize(self, operation: str) -> None:
        """Lets pass what the CA's policy doesn't deny, from other accounts what it allows.

        A missing CA of another account looks like a forbidden one.
        """
        member = "CertificateAuthorityArn"
        if member not in self.document:
            member = "ResourceArn"
        arn = self.text(member)
        if arn is None:
            return
        found = ARN.fullmatch(arn)
        if not found or found[2] != "acm-pca" or found[3] != self.region:
            raise AWSError("InvalidArnException", f"{arn} is not the ARN of a CA in this Region")
        owner, foreign = found[4], found[4] != self.current_account
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

    def _authority(self) -> Authority:
        arn = self.needed("CertificateAuthorityArn")
        ca = self.here().certificate_authorities.get(arn)
        if ca is None:
            raise AWSError("ResourceNotFoundException", f"Could not find {arn}")
        assert isinstance(ca, Authority)
        return ca

    # --- CAs

    def create_certificate_authority(self) -> str:
        """CreateCertificateAuthority: the key and subject that are asked for, now and not later."""
        configuration = self.document.get("CertificateAuthorityConfiguration")
        if not isinstance(configuration, dict):
            raise _invalid("CertificateAuthorityConfiguration is required")
        signs_with = configuration.get("SigningAlgorithm")
        if configuration.get("KeyAlgorithm") not in KEY_ALGORITHMS:
            raise _invalid(f"KeyAlgorithm must be one of {', '.join(KEY_ALGORITHMS)}")
        if signs_with not in SIGNING_ALGORITHMS:
            raise _invalid(f"SigningAlgorithm must be one of {', '.join(SIGNING_ALGORITHMS)}")
        subject = configuration.get("Subject")
        if not isinstance(subject, dict) or not subject or not set(subject) <= set(SUBJECT):
            raise _invalid(f"Subject must have members of {', '.join(SUBJECT)}")
        ca = Authority(
            region=self.region,
            account_id=self.current_account,
            certificate_authority_configuration=configuration,
            certificate_authority_type=self.choice(
                "CertificateAuthorityType", ("ROOT", "SUBORDINATE")
            ),
            revocation_configuration=self.document.get("RevocationConfiguration"),
            security_standard=self.text("KeyStorageSecurityStandard"),
            usage_mode=self.choice(
                "UsageMode", ("GENERAL_PURPOSE", "SHORT_LIVED_CERTIFICATE"), "GENERAL_PURPOSE"
            ),
        )
        ca.check_signs_with(signs_with)
        backend = self.here()
        backend.certificate_authorities[ca.arn] = ca
        backend.tagger.tag_resource(ca.arn, self.document.get("Tags", []))
        return json.dumps({"CertificateAuthorityArn": ca.arn})

    def import_certificate_authority_certificate(self) -> str:
        """ImportCertificateAuthorityCertificate: of the CA's own key, root or not (API ref.)."""
        ca = self._authority()
        if ca.status not in {"PENDING_CERTIFICATE", "ACTIVE", "DISABLED", "EXPIRED"}:
            raise _wrong_state(ca.arn, ca.status)
        certificate = _loaded(self.blob("Certificate", 32768))
        chain = (
            self.blob("CertificateChain", 2097152) if "CertificateChain" in self.document else b""
        )
        constraints = [
            extension.value
            for extension in certificate.extensions
            if isinstance(extension.value, x509.BasicConstraints) and extension.critical
        ]
        if not constraints or not constraints[0].ca:
            raise _malformed("The certificate must have critical basic constraints with CA true")
        if not ca.is_own(certificate.public_key()):
            raise _mismatch("The certificate's public key is not the CA's")
        if ca.certificate_authority_type == "ROOT":
            if chain:
                raise _mismatch("A root CA certificate has no chain")
            _check_signature(certificate, certificate)
        else:
            if not chain:
                raise _mismatch("A subordinate CA certificate needs its chain")
            _check_signature(certificate, _loaded(chain))
        ca.certificate_bytes = _pem(certificate).encode()
        ca.certificate_chain = chain or None
        ca.status, ca.updated_at = "ACTIVE", unix_time()
        return "{}"

    def get_certificate_authority_certificate(self) -> str:
        """GetCertificateAuthorityCertificate: InvalidStateException as long as there is none."""
        ca = self._authority()
        if ca.certificate is None or ca.status == "DELETED":
            raise _wrong_state(ca.arn, ca.status)
        answer = {"Certificate": _pem(ca.certificate)}
        if ca.certificate_chain:
            answer["CertificateChain"] = ca.certificate_chain.decode().strip()
        return json.dumps(answer)

    def get_certificate_authority_csr(self) -> str:
        """GetCertificateAuthorityCsr."""
        ca = self._authority()
        if ca.status == "DELETED":
            raise _wrong_state(ca.arn, ca.status)
        return json.dumps({"Csr": ca.csr.decode().strip()})

    def update_certificate_authority(self) -> str:
        """UpdateCertificateAuthority: only of a CA that is ACTIVE or DISABLED (API ref.)."""
        ca = self._authority()
        if "Status" in self.document:
            self.choice("Status", ("ACTIVE", "DISABLED"))
        if ca.status not in {"ACTIVE", "DISABLED"}:
            raise _wrong_state(ca.arn, ca.status)
        return super().update_certificate_authority()

    def delete_certificate_authority(self) -> str:
        """DeleteCertificateAuthority: not while it is ACTIVE (API ref.)."""
        ca = self._authority()
        if ca.status not in {"PENDING_CERTIFICATE", "DISABLED", "EXPIRED"}:
            raise _wrong_state(ca.arn, ca.status)
        return super().delete_certificate_authority()

    def put_policy(self) -> str:
        """PutPolicy: moto's, with a look at the policy."""
        if not is_policy(self.needed("Policy")):
            raise AWSError(
                "InvalidPolicyException",
                "The resource policy is invalid or is missing a required statement.",
            )
        return super().put_policy()

    # --- certificates

    def issue_certificate(self) -> str:
        """IssueCertificate. The certificate is there at once, but not given out at once.

        Not before is an hour ago unless asked for otherwise, not after is what is asked for and
        not beyond the CA's own (API ref.). The same idempotency token within five minutes is the
        same certificate.
        """
        ca = self._authority()
        csr = load_csr(self.document.get("Csr"))
        template = template_of(self.text("TemplateArn"))
        algorithm = self.choice("SigningAlgorithm", SIGNING_ALGORITHMS)
        ca.check_signs_with(algorithm)
        now = datetime.now(timezone.utc).replace(microsecond=0)
        ends = moment_of(self.document.get("Validity"), now)
        starts = self._starts(now)
        if ends <= now or starts >= ends:
            raise _invalid("The validity ends before it begins")
        if template.is_root:
            if ca.certificate_authority_type != "ROOT" or not ca.is_own(csr.public_key()):
                raise AWSError("MalformedCSRException", "The CSR is not the root CA's own.")
            if ca.status not in {"PENDING_CERTIFICATE", "ACTIVE"}:
                raise _wrong_state(ca.arn, ca.status)
        else:
            if ca.status != "ACTIVE" or ca.certificate is None:
                raise _wrong_state(ca.arn, ca.status)
            if ends > ca.certificate.not_valid_after_utc:  # API ref.; the wording is ours
                raise AWSError(
                    "ValidationException",
                    "The certificate validity specified exceeds the certificate authority validity",
                )
            short_lived = ca.usage_mode == "SHORT_LIVED_CERTIFICATE"
            if short_lived and ends > now + timedelta(days=7):  # API ref., UsageMode
                message = "A CA for short-lived certificates issues for seven days at most"
                raise AWSError("ValidationException", message)
        return json.dumps({"CertificateArn": self._issued(ca, csr, template, starts, ends, now)})

    def _starts(self, now: datetime) -> datetime:
        asked = self.document.get("ValidityNotBefore")
        if asked is None:
            return now - timedelta(hours=1)
        if not isinstance(asked, dict) or asked.get("Type") != "ABSOLUTE":
            raise _invalid("ValidityNotBefore must be of type ABSOLUTE")
        return moment_of(asked, now)

    def _issued(
        self,
        ca: Authority,
        csr: x509.CertificateSigningRequest,
        template: Template,
        starts: datetime,
        ends: datetime,
        now: datetime,
    ) -> str:
        """The ARN of a new certificate, or of the one that the idempotency token stands for."""
        token, asked = self.text("IdempotencyToken"), json.dumps(self.document, sort_keys=True)
        earlier = ca.by_token.get(token or "")
        if earlier and now - earlier[0] < timedelta(minutes=5) and earlier[1] == asked:
            return earlier[2]
        algorithm = self.needed("SigningAlgorithm")
        certificate = ca.issue(csr, template, algorithm, starts, ends)
        chain = [] if template.is_root else [ca.certificate_bytes, ca.certificate_chain or b""]
        texts = [part.decode().strip() for part in chain if part]
        arn = f"{ca.arn}/certificate/{certificate.serial_number:032x}"
        ca.issued[arn] = Issued(certificate, "\n".join(texts))
        if token:
            ca.by_token[token] = (now, asked, arn)
        return arn

    def get_certificate(self) -> str:
        """GetCertificate. The first time after the issue it is still in progress.

        AWS answers so for some seconds (API ref.; its own CLI has a waiter for it).
        """
        ca, arn = self._authority(), self.needed("CertificateArn")
        found = ca.issued.get(arn)
        if found is None:
            raise AWSError("ResourceNotFoundException", f"Could not find certificate {arn}")
        if not found.ready:
            found.ready = True
            message = f"The certificate {arn} is not yet issued. Try again."
            raise AWSError("RequestInProgressException", message)
        answer = {"Certificate": _pem(found.certificate)}
        if found.chain:
            answer["CertificateChain"] = found.chain
        return json.dumps(answer)


def _malformed(message: str) -> AWSError:
    return AWSError("MalformedCertificateException", message)


def _mismatch(message: str) -> AWSError:
    return AWSError("CertificateMismatchException", message)


def _loaded(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise _malformed("One or more fields in the certificate are invalid.") from None


def _check_signature(certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError):
        raise _mismatch("The certificate is not signed as a CA of this type needs it") from None


def install() -> None:
    """Makes moto use this module's Private CA."""
    acmpca_backends.backend = Backend
