"""The words that every part of the program speaks: what is desired, and what AWS IoT has.

Plain data without AWS, Terraform or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Literal

from iot_ca.errors import Failure

CertificateMode = Literal["SNI_ONLY", "DEFAULT"]
Status = Literal["ACTIVE", "INACTIVE"]
OnDestroy = Literal["delete", "deactivate", "retain"]

# Tags of the module's own on every CA it manages. No secret is in them.
TAG_PREFIX = "iot-ca:"
REVISION_TAG = TAG_PREFIX + "revision"
ORIGIN_TAG = TAG_PREFIX + "origin"
OWNER_TAG = TAG_PREFIX + "owner"
MANAGED_TAGS_TAG = TAG_PREFIX + "managed-tags"

Origin = Literal["registered", "adopted"]

# The revision of a CA that is being left, while its template is taken off it.
KEEP_AUTO_REGISTRATION = "leave auto-registration="


@dataclass(frozen=True)
class Credentials:
    """Where the program takes its credentials from; the AWS default chain where all are None."""

    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    session_name: str | None = None


@dataclass(frozen=True)
class Target:
    """The account that Terraform's aws provider sees, its region, and how to reach it."""

    account_id: str
    region: str
    credentials: Credentials = Credentials()

    def __str__(self) -> str:
        return f"account {self.account_id}, {self.region}"


# No repr: a private key could have been pasted in place of its location.
@dataclass(frozen=True, repr=False)
class Verification:
    """How ownership of the CA is proved in DEFAULT mode.

    Exactly one is set, and `ca_private_key_passphrase_env`, the name of an environment variable,
    beside a key that is encrypted.
    """

    certificate_pem: str | None = None
    ca_private_key_file: str | None = None
    ca_private_key_secret_arn: str | None = None
    ca_private_key_passphrase_env: str | None = None
    kms_key_id: str | None = None
    acm_pca_arn: str | None = None

    def __post_init__(self) -> None:
        """Raise Failure for none of them or several: one would win in silence."""
        proofs = {f.name: getattr(self, f.name) for f in fields(self)}
        del proofs["ca_private_key_passphrase_env"]
        if sum(value is not None for value in proofs.values()) != 1:
            raise Failure(f"set exactly one of {', '.join(proofs)}")


@dataclass(frozen=True)
class DesiredCa:
    """One CA as the user wants it to be."""

    certificate_pem: str
    certificate_mode: CertificateMode = "SNI_ONLY"
    status: Status = "ACTIVE"
    auto_registration: bool = True
    template_name: str | None = None
    verification: Verification | None = None
    allow_mode_change: bool = False
    force_mode_change: bool = False
    tags: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RegisterRequest:
    """Make AWS hold one CA as wanted, and write `revision` and `owner` on it last."""

    name: str
    target: Target
    certificate_authority: DesiredCa
    revision: str
    owner: str


@dataclass(frozen=True)
class DeregisterRequest:
    """Take one CA out, if it is still `owner`'s to take out.

    `on_destroy` None leaves what that means to who registered the CA. `force_destroy` deletes it
    also while certificates of its devices are registered.
    """

    name: str
    target: Target
    certificate_id: str
    owner: str
    template_name: str | None = None
    on_destroy: OnDestroy | None = None
    force_destroy: bool = False


@dataclass(frozen=True)
class ObservedCa:
    """A CA as AWS has it, where the account has it at all.

    Attributes:
        mode, status: as DescribeCACertificate says.
        auto_registration: autoRegistrationStatus is ENABLE.
        registration_config: the registrationConfig in AWS's words: a templateName, or a
            templateBody with a roleArn; empty where there is none.
        tags: all tags, the module's own among them.
        validity: of the certificate, from and to, if AWS says it.
        tags_are_known: false where AWS would not say them, as right after a registration.
    """

    mode: str
    status: str
    auto_registration: bool
    registration_config: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    validity: tuple[datetime, datetime] | None = None
    tags_are_known: bool = True

    @property
    def template_name(self) -> str | None:
        """The provisioning template that devices of this CA are provisioned with."""
        return self.registration_config.get("templateName")

    @property
    def revision(self) -> str | None:
        """The revision that last converged this CA."""
        return self.tags.get(REVISION_TAG)

    @property
    def owner(self) -> str | None:
        """The record in a Terraform state whose destruction takes this CA out."""
        return self.tags.get(OWNER_TAG)

    @property
    def auto_registration_to_keep(self) -> bool | None:
        """What auto-registration was before an interrupted run began to leave the CA."""
        revision = self.revision or ""
        return (
            revision == f"{KEEP_AUTO_REGISTRATION}ENABLE"
            if revision.startswith(KEEP_AUTO_REGISTRATION)
            else None
        )

    @property
    def origin(self) -> Origin:
        """Whether this module registered the CA or found it there."""
        return origin_in(self.tags)


@dataclass(frozen=True)
class Snapshot:
    """What a CA was like before a change of its mode took it out of the account.

    It is kept in AWS from before the first call of the change until after its last one, so that
    whoever finishes an interrupted change knows what the configuration does not say: tags of
    others, who registered the CA, and what to go back to. Attributes as of ObservedCa.
    """

    mode: str
    status: str
    auto_registration: bool
    registration_config: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def origin_in(tags: Mapping[str, str]) -> Origin:
    """Whether this module registered the CA that carries these tags, or found it there."""
    return "registered" if tags.get(ORIGIN_TAG) == "registered" else "adopted"
