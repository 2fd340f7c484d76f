"""The types that every part of the program uses: what is desired, and what is observed.

Plain data without AWS, Terraform or a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
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

# The revision of a CA whose template is detached by a destroy that keeps the CA.
KEEP_AUTO_REGISTRATION = "deregister auto-registration="


@dataclass(frozen=True)
class Credentials:
    """Where the program takes its credentials from; the AWS default chain if all are None."""

    profile: str | None = None
    role_arn: str | None = None
    external_id: str | None = None
    session_name: str | None = None


@dataclass(frozen=True)
class Target:
    """The account and Region of Terraform's aws provider, and the credentials to reach them.

    `account_id` is empty while it is not known: in a lookup that does not wait for the provider.
    """

    account_id: str
    region: str
    credentials: Credentials = Credentials()

    def __str__(self) -> str:
        return f"account {self.account_id or 'of the program'}, {self.region}"


# No repr: a private key could have been pasted in place of its location.
@dataclass(frozen=True, repr=False)
class Verification:
    """How ownership of the CA is proved in DEFAULT mode.

    Exactly one is set. `ca_private_key_passphrase_env`, the name of an environment variable, is
    set in addition if the key is encrypted.
    """

    certificate_pem: str | None = None
    ca_private_key_file: str | None = None
    ca_private_key_secret_arn: str | None = None
    ca_private_key_passphrase_env: str | None = None
    kms_key_id: str | None = None
    acm_pca_arn: str | None = None

    def __post_init__(self) -> None:
        """Raise Failure unless exactly one is set: of several, one would be ignored in silence."""
        proofs = {f.name: getattr(self, f.name) for f in fields(self)}
        del proofs["ca_private_key_passphrase_env"]
        if sum(value is not None for value in proofs.values()) != 1:
            raise Failure(f"set exactly one of {', '.join(proofs)}")


@dataclass(frozen=True)
class DesiredCa:
    """One CA as the user wants it to be.

    `default_tags` are those of the aws provider that are not overridden by `tags`; None in a
    lookup, which does not know them. `default_tags_digest` tells them from others.
    """

    certificate_pem: str
    certificate_mode: CertificateMode = "SNI_ONLY"
    status: Status = "ACTIVE"
    auto_registration: bool = False
    template_name: str | None = None
    verification: Verification | None = None
    allow_mode_change: bool = False
    force_mode_change: bool = False
    tags: dict[str, str] = field(default_factory=dict)
    default_tags: dict[str, str] | None = field(default_factory=dict)
    default_tags_digest: str = ""

    @property
    def all_tags(self) -> dict[str, str]:
        """The user's tags, as far as they are known."""
        return {**(self.default_tags or {}), **self.tags}

    @property
    def registration_config(self) -> dict[str, str]:
        """The registrationConfig of RegisterCACertificate; empty without a template."""
        return {} if self.template_name is None else {"templateName": self.template_name}

    @property
    def has_jitr(self) -> bool:
        """Whether AWS IoT announces new devices by an event, for lack of a template for them."""
        return self.auto_registration and self.template_name is None


@dataclass(frozen=True)
class RegisterRequest:
    """Reconcile one CA, and tag it with `revision` and `owner` at the end.

    The default tags, which the lookup did not know, come in addition to the CA as it was looked up.
    `is_absent_in_plan`: the lookup has not found the CA.
    """

    name: str
    target: Target
    certificate_authority: DesiredCa
    revision: str
    owner: str
    is_absent_in_plan: bool = False
    default_tags: dict[str, str] = field(default_factory=dict)
    default_tags_digest: str = ""

    @property
    def desired(self) -> DesiredCa:
        """The CA as it is desired, with the default tags."""
        return replace(
            self.certificate_authority,
            default_tags=self.default_tags,
            default_tags_digest=self.default_tags_digest,
        )


@dataclass(frozen=True)
class DeregisterRequest:
    """Deregister one CA, if `owner` still owns it.

    `on_destroy` None deletes a CA that this module registered and retains one that it adopted.
    `force_destroy` deletes a CA even if certificates of its devices are registered.
    """

    name: str
    target: Target
    certificate_id: str
    owner: str
    template_name: str | None = None
    on_destroy: OnDestroy | None = None
    force_destroy: bool = False


@dataclass(frozen=True)
class ReleasePolicyRequest:
    """Let the AWS IoT policy of the devices of one CA be deleted; the devices get a copy."""

    name: str
    target: Target
    policy_name: str


@dataclass(frozen=True)
class ObservedCa:
    """A registered CA, as AWS IoT describes it.

    Attributes:
        mode, status: as DescribeCACertificate answers them.
        auto_registration: whether autoRegistrationStatus is ENABLE.
        registration_config: the registrationConfig with AWS's keys: a templateName, or a
            templateBody with a roleArn; empty if there is none.
        tags: all tags, the module's own among them.
        validity: start and end of the certificate's validity, if AWS IoT answers them.
        tags_are_known: false if AWS IoT does not answer the tags, as right after a registration.
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
        """The provisioning template of this CA's devices."""
        return self.registration_config.get("templateName")

    @property
    def has_inline_template(self) -> bool:
        """Whether the CA carries a template body of its own, instead of a template's name."""
        return bool(self.registration_config) and self.template_name is None

    @property
    def revision(self) -> str | None:
        """The revision of the run that last reconciled this CA."""
        return self.tags.get(REVISION_TAG)

    @property
    def owner(self) -> str | None:
        """The record in a Terraform state whose destruction deregisters this CA."""
        return self.tags.get(OWNER_TAG)

    @property
    def auto_registration_to_keep(self) -> bool | None:
        """What auto-registration was before an interrupted destroy detached the template."""
        revision = self.revision or ""
        return (
            revision == f"{KEEP_AUTO_REGISTRATION}ENABLE"
            if revision.startswith(KEEP_AUTO_REGISTRATION)
            else None
        )

    @property
    def origin(self) -> Origin:
        """Whether this module registered the CA or adopted it."""
        return origin_in(self.tags)


@dataclass(frozen=True)
class Snapshot:
    """What a CA was before a mode change deleted it.

    It is saved in AWS from before the first call of the change until after its last one, so that
    the run that finishes an interrupted change knows what the configuration does not say: unmanaged
    tags, who registered the CA, and what to restore. Attributes as of ObservedCa.
    """

    mode: str
    status: str
    auto_registration: bool
    registration_config: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def origin_in(tags: Mapping[str, str]) -> Origin:
    """Return whether this module registered the CA that carries these tags, or adopted it."""
    return "registered" if tags.get(ORIGIN_TAG) == "registered" else "adopted"


def auto_registration_status(enabled: bool) -> Literal["ENABLE", "DISABLE"]:
    """Return whether auto-registration is enabled, as AWS IoT writes it."""
    return "ENABLE" if enabled else "DISABLE"
