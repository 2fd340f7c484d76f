"""Text to typed request and typed result to text; knows nothing of AWS.

`inspect` speaks the protocol of Terraform's external data source: one JSON object of strings in,
one out, so `target` and `certificate_authorities` are JSON documents inside strings. `register`
and `deregister` take one JSON document.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, dataclass, field, fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from iot_ca.failure import Failure

CertificateMode = Literal["SNI_ONLY", "DEFAULT"]
Status = Literal["ACTIVE", "INACTIVE"]
OnDestroy = Literal["delete", "deactivate", "retain"]

T = TypeVar("T")


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


@dataclass(frozen=True)
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
class CertificateAuthority:
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
class InspectRequest:
    """Look up every CA of one account and region."""

    target: Target
    certificate_authorities: dict[str, CertificateAuthority]


@dataclass(frozen=True)
class RegisterRequest:
    """Make AWS hold one CA as wanted, and write `revision` and `owner` on it last."""

    name: str
    target: Target
    certificate_authority: CertificateAuthority
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
class Result:
    """What `inspect` answers for one CA.

    Everything but `drift` and `warnings` shows the CA as it will be after apply: an observed
    value would change once more after the repair and the plan would never be empty.
    """

    certificate_id: str
    certificate_arn: str
    certificate_mode: CertificateMode
    status: Status
    auto_registration_status: Literal["ENABLE", "DISABLE"]
    not_before: str
    not_after: str
    revision: str
    drift: list[str]
    warnings: list[str]


def read_inspect(text: str) -> InspectRequest:
    """The query that Terraform's external data source writes to standard input.

    Raises Failure for anything that is not such a query, without quoting it.
    """
    query = _json(text, "the query")
    for key in ("target", "certificate_authorities"):
        if not isinstance(query, dict) or not isinstance(query.get(key), str):
            raise Failure(f"the query must hold {key!r}, a JSON document inside a string")
    target = _decode(Target, _json(query["target"], "target"), "target")
    named = _json(query["certificate_authorities"], "certificate_authorities")
    if not isinstance(named, dict):
        raise Failure("certificate_authorities must be an object")
    return InspectRequest(
        target, {name: _certificate_authority(value, name) for name, value in named.items()}
    )


def read_register(text: str) -> RegisterRequest:
    """The request of `register`, from IOT_CA_REQUEST."""
    return _decode(RegisterRequest, _json(text, "IOT_CA_REQUEST"), "IOT_CA_REQUEST")


def read_deregister(text: str) -> DeregisterRequest:
    """The request of `deregister`, from IOT_CA_REQUEST."""
    return _decode(DeregisterRequest, _json(text, "IOT_CA_REQUEST"), "IOT_CA_REQUEST")


def write_results(results: dict[str, Result]) -> str:
    """One JSON object of strings: each CA's result as a JSON document under the CA's name."""
    return json.dumps({name: json.dumps(asdict(result)) for name, result in results.items()})


def _certificate_authority(value: Any, name: str) -> CertificateAuthority:
    return _decode(CertificateAuthority, value, f"certificate_authorities[{json.dumps(name)}]")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Failure(f"{where} is not valid JSON") from None


def _decode(kind: type[T], value: Any, where: str) -> T:
    """`value`, parsed JSON, as `kind`: a dataclass, str, bool, dict[str, str], Literal or `| None`.

    Strict on purpose: an attribute that is misspelt or of another type is refused, since a
    setting that is silently ignored is found in production. null means "not set".
    """
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise Failure(f"{where} must be an object")
        hints = get_type_hints(kind)
        unknown = sorted(set(value) - set(hints))
        if unknown:
            raise Failure(f"{where} has unknown attributes: {', '.join(unknown)}")
        given = {key: item for key, item in value.items() if item is not None}
        for each in fields(kind):
            required = each.default is MISSING and each.default_factory is MISSING
            if required and each.name not in given:
                raise Failure(f"{where}.{each.name} is required")
        read = {key: _decode(hints[key], item, f"{where}.{key}") for key, item in given.items()}
        try:
            return kind(**read)
        except Failure as failure:
            raise Failure(f"{where}: {failure}") from None
    if type(None) in get_args(kind):
        inner: type[T] = _without_none(kind)
        return _decode(inner, value, where)
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            choices = " or ".join(json.dumps(choice) for choice in get_args(kind))
            raise Failure(f"{where} must be {choices}")
        return value  # type: ignore[no-any-return]
    if get_origin(kind) is dict:
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise Failure(f"{where} must be an object of strings")
        return value  # type: ignore[return-value]
    if not isinstance(value, kind):
        raise Failure(f"{where} must be a {'string' if kind is str else kind.__name__}")
    return value


def _without_none(kind: Any) -> Any:
    return next(each for each in get_args(kind) if each is not type(None))
