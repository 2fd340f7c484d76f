"""The protocol with Terraform: JSON text to typed requests, and typed results to JSON text.

`inspect` speaks the protocol of Terraform's external data source: one JSON object of strings in,
one out, so `target` and `certificate_authorities` are JSON documents inside strings. The
other commands take one JSON document.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import MISSING, asdict, dataclass, fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from iot_ca.certificates import pem
from iot_ca.errors import Failure
from iot_ca.model import (
    CertificateMode,
    DeregisterRequest,
    DesiredCa,
    RegisterRequest,
    ReleasePolicyRequest,
    Status,
    Target,
)

T = TypeVar("T")


@dataclass(frozen=True)
class InspectRequest:
    """Look up every CA of one account and Region."""

    target: Target
    certificate_authorities: dict[str, DesiredCa]


@dataclass(frozen=True)
class Result:
    """What `inspect` answers for one CA.

    Everything except the three lists and `request` shows the CA as it will be after apply: an
    observed value would change once more after the repair, and the plan would never be empty.
    `request` is the request of `register` without the revision and the owner; it also says whether
    the CA has been found. `differences` is everything that
    is not as desired, and `drift` is the same if the configuration does not explain it.
    `is_reconciled` says that `revision` is the one that AWS has. `default_tags` and
    `default_tags_digest` are what the CA carries of the provider's default tags, which the lookup
    does not wait for: the module compares them. `template_exists` and `address_prefix` are for the
    command that imports a template which the state has lost.
    """

    certificate_id: str
    certificate_arn: str
    certificate_mode: CertificateMode
    status: Status
    auto_registration_status: Literal["ENABLE", "DISABLE"]
    not_before: str
    not_after: str
    revision: str
    request: str
    drift: list[str]
    differences: list[str]
    is_reconciled: bool
    default_tags: dict[str, str]
    default_tags_digest: str
    warnings: list[str]
    template_exists: bool
    address_prefix: str


def read_inspect(text: str) -> InspectRequest:
    """Read the query that Terraform's external data source writes to standard input.

    Raises Failure for any other text, without quoting it.
    """
    query = _json(text, "the query")
    for key in ("target", "certificate_authorities"):
        if not isinstance(query, dict) or not isinstance(query.get(key), str):
            raise Failure(f"the query must hold {key!r}, a JSON document inside a string")
    target = _target(_json(query["target"], "target"))
    named = _json(query["certificate_authorities"], "certificate_authorities")
    if not isinstance(named, dict):
        raise Failure("certificate_authorities must be an object")
    return InspectRequest(
        target, {name: _certificate_authority(value, name) for name, value in named.items()}
    )


def read_register(text: str) -> RegisterRequest:
    """Read the request of `register`, from IOT_CA_REQUEST."""
    return _decode(RegisterRequest, _json(text, "IOT_CA_REQUEST"), "IOT_CA_REQUEST")


def read_deregister(text: str) -> DeregisterRequest:
    """Read the request of `deregister`, from IOT_CA_REQUEST."""
    return _decode(DeregisterRequest, _json(text, "IOT_CA_REQUEST"), "IOT_CA_REQUEST")


def read_release_policy(text: str) -> ReleasePolicyRequest:
    """Read the request of `release-policy`, from IOT_CA_REQUEST."""
    return _decode(ReleasePolicyRequest, _json(text, "IOT_CA_REQUEST"), "IOT_CA_REQUEST")


def write_results(results: dict[str, Result]) -> str:
    """Return one JSON object of strings: each CA's result as JSON under the CA's name."""
    return json.dumps({name: json.dumps(asdict(result)) for name, result in results.items()})


def write_request(
    name: str, target: Target, desired: DesiredCa, certificate_pem: str, *, is_absent: bool
) -> str:
    """Return the request of `register` for one CA as JSON, without revision and owner.

    Of a verification certificate, too, only the first certificate is in it: a request travels in
    an environment variable, and a bundle would be too long for one.

    Args:
        certificate_pem: the CA's certificate alone, in place of what came with or before it.
        is_absent: whether the lookup has not found the CA.
    """
    verification = desired.verification
    if verification is not None and verification.certificate_pem is not None:
        # Text that is not a certificate is refused by those who need it, and only by them.
        with suppress(Failure):
            proof = pem.read(verification.certificate_pem).pem
            verification = replace(verification, certificate_pem=proof)
    desired = replace(desired, certificate_pem=certificate_pem, verification=verification)
    request = {
        "name": name,
        "target": asdict(target),
        "certificate_authority": _given(desired),
        "is_absent_in_plan": is_absent,
    }
    return json.dumps(request)


def _target(value: Any) -> Target:
    """Return the target of a query, in which the account may be left out."""
    if isinstance(value, dict) and value.get("account_id") is None:
        value = {**value, "account_id": ""}
    return _decode(Target, value, "target")


def _given(desired: DesiredCa) -> dict[str, Any]:
    """Return what a query gives of a CA: everything except the default tags."""
    default_tags = {"default_tags", "default_tags_digest"}
    return {name: value for name, value in asdict(desired).items() if name not in default_tags}


def _certificate_authority(value: Any, name: str) -> DesiredCa:
    return _decode(DesiredCa, value, f"certificate_authorities[{json.dumps(name)}]")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Failure(f"{where} is not valid JSON") from None


def _decode(kind: type[T], value: Any, where: str) -> T:
    """Return parsed JSON as `kind`: a dataclass, str, bool, dict[str, str], Literal or `| None`.

    A misspelt attribute, or one of another type, is refused: a setting that is ignored in silence
    is discovered in production. null means "not set".
    """
    if is_dataclass(kind):
        if not isinstance(value, dict):
            raise Failure(f"{where} must be an object")
        hints = get_type_hints(kind)
        unknown = sorted(set(value) - set(hints))
        if unknown:
            raise Failure(f"{where} has unknown attributes: {', '.join(unknown)}")
        given = {key: item for key, item in value.items() if item is not None}
        for attribute in fields(kind):
            required = attribute.default is MISSING and attribute.default_factory is MISSING
            if required and attribute.name not in given:
                raise Failure(f"{where}.{attribute.name} is required")
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
    return next(inner for inner in get_args(kind) if inner is not type(None))
