"""Certificates for the tests: made by cryptography, and by the openssl command line."""

from __future__ import annotations

import datetime as dt
import functools
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
Hash = hashes.SHA224 | hashes.SHA256 | hashes.SHA384 | hashes.SHA512
NOW = dt.datetime.now(dt.timezone.utc).replace(microsecond=0)
DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class CA:
    """A CA certificate and its key."""

    certificate: x509.Certificate
    key: Key

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def id(self) -> str:
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def verification(
        self,
        code: str,
        *,
        signer: Key | None = None,
        days: int = 1,
        hash_algorithm: Hash | None = None,
    ) -> str:
        """A verification certificate for a registration code, signed by the CA or ``signer``."""
        return (
            x509.CertificateBuilder()
            .subject_name(name(code))
            .issuer_name(self.certificate.subject)
            .public_key(p256().public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - 2 * DAY)
            .not_valid_after(NOW + days * DAY)
            .sign(signer or self.key, hash_algorithm or hashes.SHA256())
            .public_bytes(Encoding.PEM)
            .decode()
        )

    def issue(
        self,
        subject: x509.Name,
        key: Key | None = None,
        *,
        starts: dt.datetime = NOW - DAY,
        ends: dt.datetime = NOW + 90 * DAY,
    ) -> x509.Certificate:
        """A device certificate."""
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.certificate.subject)
            .public_key((key or p256()).public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(starts)
            .not_valid_after(ends)
            .sign(self.key, hashes.SHA256())
        )

    def device(self, common_name: str = "device") -> str:
        """A device certificate that this CA has signed, as PEM."""
        return self.issue(name(common_name)).public_bytes(Encoding.PEM).decode()


def csr(common_name: str, key: Key | None = None) -> bytes:
    """A certificate signing request, PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(name(common_name))
    return builder.sign(key or p256(), hashes.SHA256()).public_bytes(Encoding.PEM)


def name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def make_ca(
    common_name: str = "Test CA",
    *,
    key: Key | None = None,
    hash_algorithm: Hash | None = None,
    is_ca: bool | None = True,
    cert_sign: bool | None = None,
    starts: dt.datetime = NOW - DAY,
    ends: dt.datetime = NOW + 365 * DAY,
) -> CA:
    """A self-signed certificate; None leaves an extension out."""
    key = key or p256()
    builder = (
        x509.CertificateBuilder()
        .subject_name(name(common_name))
        .issuer_name(name(common_name))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(starts)
        .not_valid_after(ends)
    )
    if is_ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(is_ca, None), critical=True)
    if cert_sign is not None:
        usage = x509.KeyUsage(True, False, False, False, False, cert_sign, cert_sign, False, False)
        builder = builder.add_extension(usage, critical=True)
    ed = isinstance(key, ed25519.Ed25519PrivateKey)
    return CA(builder.sign(key, None if ed else hash_algorithm or hashes.SHA256()), key)


def openssl(*arguments: str, folder: Path) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def openssl_root(folder: Path) -> Path:
    """root.pem and root.key, made with the commands of AWS's blog."""
    (folder / "ext.cnf").write_text("basicConstraints = CA:TRUE\n")
    openssl("genrsa", "-out", "root.key", "2048", folder=folder)
    openssl("req", "-new", "-sha256", "-key", "root.key", "-nodes", "-out", "root.csr",
            "-subj", "/C=DE/O=Example/CN=Example Root", folder=folder)  # fmt: skip
    openssl("x509", "-req", "-days", "3653", "-extfile", "ext.cnf", "-in", "root.csr",
            "-signkey", "root.key", "-out", "root.pem", folder=folder)  # fmt: skip
    return folder / "root.pem"


def openssl_verification(folder: Path, code: str) -> Path:
    """verification.pem for ``code``, signed by openssl_root's CA."""
    openssl("genrsa", "-out", "verification.key", "2048", folder=folder)
    openssl("req", "-new", "-key", "verification.key", "-out", "verification.csr",
            "-subj", f"/CN={code}", folder=folder)  # fmt: skip
    openssl("x509", "-req", "-in", "verification.csr", "-CA", "root.pem", "-CAkey", "root.key",
            "-CAcreateserial", "-out", "verification.pem", "-days", "30", "-sha256",
            folder=folder)  # fmt: skip
    return folder / "verification.pem"
