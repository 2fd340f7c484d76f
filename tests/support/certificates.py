"""Keys and certificates of all sorts, made by cryptography.

`issue` makes any certificate. `new_ca` makes a CA that can issue others:

ca = new_ca("Root", end=NOW + 30 * DAY)
proof = ca.verification(registration_code)
device = new_leaf(ca, "device-1")
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import (
    CertificateIssuerPrivateKeyTypes,
    PrivateKeyTypes,
)
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
Hash = hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512
NOW = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
DAY = dt.timedelta(days=1)


# --- keys and names


def ec_key() -> ec.EllipticCurvePrivateKey:
    """A new P-256 key: the quickest there is."""
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    """An RSA key of that size, the same one at each call."""
    return rsa.generate_private_key(65537, bits)


def key_pem(
    key: PrivateKeyTypes,
    form: PrivateFormat = PrivateFormat.PKCS8,
    password: bytes | None = None,
) -> str:
    """The private key as PEM text."""
    encryption: KeySerializationEncryption = NoEncryption()
    if password:
        encryption = BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, form, encryption).decode()


def write_key(key: PrivateKeyTypes, path: Path) -> str:
    """Write `key` as PKCS#8 PEM; returns the path as text."""
    path.write_text(key_pem(key), encoding="ascii")
    return str(path)


def x509_name(common_name: str | None = None, **others: str) -> x509.Name:
    """A subject; `others` by the names that cryptography has for its attributes."""
    pairs = [(NameOID.COMMON_NAME, common_name)] if common_name is not None else []
    pairs += [(getattr(NameOID, name), value) for name, value in others.items()]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in pairs])


# --- certificates


def issue(
    key: CertificateIssuerPrivateKeyTypes,
    *,
    common_name: str = "root",
    subject: x509.Name | None = None,
    subject_key: PrivateKeyTypes | None = None,
    issuer: x509.Certificate | None = None,
    is_ca: bool | None = True,
    digest: Hash | None = None,
    serial_number: int | None = None,
    start: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + 365 * DAY,
    extensions: tuple[x509.ExtensionType, ...] = (),
) -> x509.Certificate:
    """A certificate signed by `key`; of that key itself unless `subject_key` is another.

    `subject` goes over `common_name`, and `is_ca` None leaves basicConstraints out.
    """
    if subject is None:
        subject = x509_name(common_name)
    public_key: Any = (subject_key or key).public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(public_key)
        .serial_number(serial_number or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )
    if is_ca is not None:
        constraints = x509.BasicConstraints(ca=is_ca, path_length=None)
        builder = builder.add_extension(constraints, critical=True)
    for extension in extensions:
        critical = isinstance(extension, x509.KeyUsage)
        builder = builder.add_extension(extension, critical=critical)
    hashed = isinstance(key, Key)
    return builder.sign(key, (digest or hashes.SHA256()) if hashed else None)


def issue_v1(key: ec.EllipticCurvePrivateKey, common_name: str) -> x509.Certificate:
    """A self-signed certificate of X.509 version 1, which cryptography reads and does not make."""
    version_3, ecdsa_with_sha256 = "a003020102", "300a06082a8648ce3d040302"
    signed = issue(key, common_name=common_name, is_ca=None).tbs_certificate_bytes
    to_be_signed = _der(0x30, signed.partition(bytes.fromhex(version_3))[2])
    signature = _der(0x03, b"\0" + key.sign(to_be_signed, ec.ECDSA(hashes.SHA256())))
    algorithm = bytes.fromhex(ecdsa_with_sha256)
    return x509.load_der_x509_certificate(_der(0x30, to_be_signed + algorithm + signature))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes([tag, length]) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def pem(certificate: x509.Certificate) -> str:
    """The certificate as PEM text."""
    return certificate.public_bytes(Encoding.PEM).decode()


def der(certificate: x509.Certificate) -> bytes:
    """The certificate as DER."""
    return certificate.public_bytes(Encoding.DER)


def new_csr(common_name: str, key: Key | None = None) -> bytes:
    """A certificate signing request, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509_name(common_name))
    return builder.sign(key or ec_key(), hashes.SHA256()).public_bytes(Encoding.PEM)


# --- certificates with their keys


@dataclass(frozen=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate = field(repr=False)
    key: Key = field(repr=False)

    @property
    def pem(self) -> str:
        """The certificate as PEM text."""
        return pem(self.certificate)

    @property
    def id(self) -> str:
        """What AWS IoT calls the certificate: SHA-256 of the DER."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def key_file(self, folder: Path, name: str = "ca.key") -> str:
        """The path of a file with the private key."""
        return write_key(self.key, folder / name)


@dataclass(frozen=True)
class CA(Issued):
    """A CA certificate and its key."""

    def issue(
        self,
        subject: x509.Name,
        key: Key | None = None,
        *,
        start: dt.datetime = NOW - DAY,
        end: dt.datetime = NOW + 90 * DAY,
    ) -> x509.Certificate:
        """A device certificate."""
        return issue(
            self.key,
            subject=subject,
            subject_key=key or ec_key(),
            issuer=self.certificate,
            is_ca=None,
            start=start,
            end=end,
        )

    def device(self, common_name: str = "device") -> str:
        """A device certificate that this CA has signed, as PEM."""
        return pem(self.issue(x509_name(common_name)))

    def verification(
        self,
        code: str,
        *,
        signer: Key | None = None,
        days: int = 1,
        digest: Hash | None = None,
    ) -> str:
        """A verification certificate for a registration code, signed by the CA or `signer`."""
        certificate = issue(
            signer or self.key,
            common_name=code,
            subject_key=ec_key(),
            issuer=self.certificate,
            is_ca=None,
            digest=digest,
            start=NOW - 2 * DAY,
            end=NOW + days * DAY,
        )
        return pem(certificate)


def new_ca(
    common_name: str = "Root",
    *,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    digest: Hash | None = None,
    is_ca: bool | None = True,
    cert_sign: bool | None = None,
    start: dt.datetime = NOW - DAY,
    end: dt.datetime = NOW + 365 * DAY,
) -> CA:
    """A self-signed CA on P-256, or on `key`; no two have the same ID. None: no such extension."""
    key = key or ec_key()
    usage: tuple[x509.KeyUsage, ...] = ()
    if cert_sign is not None:
        flags = (True, False, False, False, False, cert_sign, cert_sign, False, False)
        usage = (x509.KeyUsage(*flags),)
    certificate = issue(
        key,
        common_name=common_name,
        is_ca=is_ca,
        digest=digest,
        start=start,
        end=end,
        extensions=usage,
    )
    # A key of another sort is for a CA that AWS IoT refuses, and signs nothing else.
    return CA(certificate, key)  # type: ignore[arg-type]


def new_leaf(ca: CA, common_name: str) -> Issued:
    """A device's key, and its certificate that `ca` has signed."""
    key = ec_key()
    certificate = issue(
        ca.key,
        common_name=common_name,
        subject_key=key,
        issuer=ca.certificate,
        is_ca=False,
        end=NOW + 90 * DAY,
    )
    return Issued(certificate, key)
