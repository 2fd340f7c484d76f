"""CAs as device makers have them, made with openssl: what cryptography reads in part only."""

from __future__ import annotations

from pathlib import Path

from tests.support.openssl import openssl

_CONFIGURATION = """\
[req]
distinguished_name = subject
prompt = no
x509_extensions = extensions
{options}
[subject]
{subject}
[extensions]
basicConstraints = critical,CA:TRUE
{extensions}
"""

# Extensions that real CAs have and cryptography refuses, and with them all others.
ODD_EXTENSIONS = {
    "a name constraint of an address without a mask": """\
2.5.29.30 = ASN1:SEQUENCE:constraints
[constraints]
permitted = IMPLICIT:0,SEQUENCE:subtrees
[subtrees]
one = SEQUENCE:subtree
[subtree]
base = IMPLICIT:7,FORMAT:HEX,OCT:0A000001
""",
    "a name constraint in Latin-1": """\
2.5.29.30 = ASN1:SEQUENCE:constraints
[constraints]
permitted = IMPLICIT:0,SEQUENCE:subtrees
[subtrees]
one = SEQUENCE:subtree
[subtree]
base = IMPLICIT:2,FORMAT:HEX,OCT:fc6d6c
""",
    "an authority key identifier with half of an issuer": """\
2.5.29.35 = ASN1:SEQUENCE:identifier
[identifier]
serial = IMPLICIT:2,INTEGER:5
""",
    "an authority key identifier that is none": "2.5.29.35 = ASN1:FORMAT:HEX,OCT:00",
    "an alternative name of X.400": """\
2.5.29.17 = ASN1:SEQUENCE:names
[names]
address = IMPLICIT:3,SEQUENCE:nothing
[nothing]
""",
    "an alternative name in Latin-1": """\
2.5.29.17 = ASN1:SEQUENCE:names
[names]
one = IMPLICIT:2,FORMAT:HEX,OCT:fc6d6c
""",
    "a policy text in Latin-1": """\
2.5.29.32 = ASN1:SEQUENCE:policies
[policies]
one = SEQUENCE:policy
[policy]
identifier = OID:1.2.3.4
qualifiers = SEQUENCE:qualifiers
[qualifiers]
one = SEQUENCE:qualifier
[qualifier]
identifier = OID:1.3.6.1.5.5.7.2.2
notice = SEQUENCE:notice
[notice]
text = FORMAT:UTF8,T61String:Grün
""",
}

# OpenSSL's mask of string types that leaves T61String, which it fills with Latin-1.
LATIN_1_SUBJECT = ("string_mask = MASK:0x0004\nutf8 = yes", "O = Grün AG\nCN = Gerätebau CA")


def make_ca(
    folder: Path, extensions: str = "", options: str = "", subject: str = "CN = odd"
) -> tuple[str, Path]:
    """Return a CA's certificate as PEM, and the path of its key; both are in the folder."""
    text = _CONFIGURATION.format(options=options, subject=subject, extensions=extensions)
    (folder / "ca.cnf").write_text(text, encoding="utf-8")
    openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "ca.key", folder=folder)
    request = ("req", "-new", "-x509", "-sha256", "-key", "ca.key", "-days", "30")
    openssl(*request, "-config", "ca.cnf", "-out", "ca.pem", folder=folder)
    return (folder / "ca.pem").read_text(), folder / "ca.key"


def sign_verification(folder: Path, code: str) -> str:
    """Return a verification certificate as the holder of the CA in the folder makes it."""
    subject = ("-subj", f"/CN={code}", "-out", "proof.csr")
    openssl(
        "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", "p.key", *subject, folder=folder
    )
    signer = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "1")
    openssl(
        "x509", "-req", "-in", "proof.csr", *signer, "-sha256", "-out", "proof.pem", folder=folder
    )
    return (folder / "proof.pem").read_text()
