"""`inspect`: look up every CA of a query, for Terraform's external data source."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from iot_ca import ownership, utc
from iot_ca.aws.ca_certificates import CaCertificates
from iot_ca.aws.events import jitr_warning
from iot_ca.aws.session import Account
from iot_ca.aws.snapshots import load_all
from iot_ca.aws.templates import existing_templates
from iot_ca.certificates import pem, validation
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure, Failures, as_failure, one_line
from iot_ca.model import DesiredCa, ObservedCa, Snapshot, auto_registration_status
from iot_ca.reconcile import mode_change
from iot_ca.reconcile.differences import differences
from iot_ca.reconcile.revision import current_revision, is_drift, new_revision
from iot_ca.reconcile.tags import default_tags_digest, managed_tags
from iot_ca.terraform import module_address, protocol
from iot_ca.terraform.protocol import Result

T = TypeVar("T")
Observations = Mapping[str, ObservedCa | Failure | None]
Validity = tuple[datetime, datetime]


@dataclass(frozen=True)
class Lookup:
    """One CA of the query, and what AWS IoT answers about it.

    `interrupted` is what a change of the mode has saved of a CA that is not registered now.
    """

    name: str
    desired: DesiredCa
    certificate: Certificate
    observed: ObservedCa | None
    account: Account
    template_exists: bool
    interrupted: Snapshot | None = None


@dataclass(frozen=True)
class Answers:
    """What AWS answers about all CAs of the query, by certificate ID.

    Attributes:
        observed: each CA, as of CaCertificates.observe.
        templates: the provisioning templates that exist, of those that no CA of the query names.
        snapshots: of the CAs that a change of the mode may have left unregistered.
        warning: about the account and Region, which concerns all CAs with JITR.
    """

    observed: Observations
    templates: Set[str]
    snapshots: Mapping[str, Snapshot | Failure | None]
    warning: str | None


def inspect(query: str) -> str:
    """Look up every CA of the query; return one JSON object of strings. Writes nothing.

    Raises Failures that name every CA that has an error, so that one plan shows all of them.
    """
    request = protocol.read_inspect(query)
    wanted = {
        name: replace(desired, default_tags=None)
        for name, desired in request.certificate_authorities.items()
    }
    certificates, failures = _by_name(wanted, lambda name: pem.read(wanted[name].certificate_pem))
    failures.update(_duplicates(certificates))
    account = Account(request.target)
    results: dict[str, Result] = {}
    if certificates:
        try:
            answers = _ask(account, wanted, certificates)
        except BaseException as error:
            by_name = {**dict.fromkeys(certificates, as_failure(error)), **failures}
            raise Failures(account.target, by_name) from error

        def result(name: str) -> Result:
            lookup = _lookup(name, wanted[name], certificates[name], account, answers)
            arn = CaCertificates(account).arn(lookup.certificate.certificate_id)
            return _printable(_result(lookup, arn))

        results, failed = _by_name(certificates, result)
        failures = {**failed, **failures}
        results = _with_warning(results, wanted, answers.warning)
    if failures:
        raise Failures(account.target, failures)
    return protocol.write_results(results)


def _ask(
    account: Account, wanted: Mapping[str, DesiredCa], certificates: Mapping[str, Certificate]
) -> Answers:
    ids = [certificate.certificate_id for certificate in certificates.values()]
    has_jitr = any(wanted[name].has_jitr for name in certificates)
    observed, warning = _observe(CaCertificates(account), ids, has_jitr)
    return Answers(
        observed,
        existing_templates(account, _unattached_templates(wanted, certificates, observed)),
        load_all(account, _may_be_interrupted(wanted, certificates, observed)),
        warning,
    )


def _lookup(
    name: str, desired: DesiredCa, certificate: Certificate, account: Account, answers: Answers
) -> Lookup:
    """Return what AWS answers about one CA; raise the Failure that it answers instead."""
    observed = answers.observed[certificate.certificate_id]
    interrupted = answers.snapshots.get(certificate.certificate_id)
    if isinstance(observed, Failure):
        raise observed
    if isinstance(interrupted, Failure):
        raise interrupted
    template = desired.template_name
    exists = template in answers.templates or _is_attached(template, observed)
    return Lookup(name, desired, certificate, observed, account, exists, interrupted)


def _with_warning(
    results: dict[str, Result], wanted: Mapping[str, DesiredCa], warning: str | None
) -> dict[str, Result]:
    """Return the results with a warning of the account, which one CA with JITR says for all."""
    name = next((name for name in results if wanted[name].has_jitr), None)
    if warning is None or name is None:
        return results
    warnings = [*results[name].warnings, one_line(warning)]
    return {**results, name: replace(results[name], warnings=warnings)}


def _observe(
    ca_certificates: CaCertificates, certificate_ids: list[str], has_jitr: bool
) -> tuple[Observations, str | None]:
    """Return each CA by its ID; at the same time, look for what concerns all CAs with JITR."""
    if not has_jitr:
        return ca_certificates.observe(certificate_ids), None
    from concurrent.futures import ThreadPoolExecutor

    account = ca_certificates.account
    account.client("iot")  # here, so that missing credentials are one failure, not one of each CA
    with ThreadPoolExecutor(1) as pool:
        warning = pool.submit(jitr_warning, account)
        return ca_certificates.observe(certificate_ids), warning.result()


def _unattached_templates(
    wanted: Mapping[str, DesiredCa],
    certificates: Mapping[str, Certificate],
    observed: Observations,
) -> set[str]:
    """Return the templates that may not exist yet: those that their CA does not name already."""
    answers = {name: observed[certificates[name].certificate_id] for name in certificates}
    return {
        template
        for name, answer in answers.items()
        if (template := wanted[name].template_name) is not None
        and not isinstance(answer, Failure)
        and not _is_attached(template, answer)
    }


def _may_be_interrupted(
    wanted: Mapping[str, DesiredCa],
    certificates: Mapping[str, Certificate],
    observed: Observations,
) -> set[str]:
    """Return the IDs of CAs that a change of the mode may have deleted and not registered again."""
    ids = {
        certificates[name].certificate_id for name in certificates if wanted[name].allow_mode_change
    }
    return {certificate_id for certificate_id in ids if observed[certificate_id] is None}


def _is_attached(template_name: str | None, observed: ObservedCa | None) -> bool:
    return (
        observed is not None
        and template_name is not None
        and observed.template_name == template_name
    )


def _by_name(
    names: Iterable[str], work: Callable[[str], T]
) -> tuple[dict[str, T], dict[str, Failure]]:
    """Return what `work` returns for each name, and the failures that it raises."""
    done: dict[str, T] = {}
    failures: dict[str, Failure] = {}
    for name in names:
        try:
            done[name] = work(name)
        except BaseException as error:
            failures[name] = as_failure(error)
    return done, failures


def _result(lookup: Lookup, arn: str) -> Result:
    desired, certificate, observed = lookup.desired, lookup.certificate, lookup.observed
    warnings = []
    if certificate.certificates_after:
        warnings.append(
            f"certificate_pem holds {certificate.certificates_after + 1} certificates; the first "
            "one is used"
        )
    check = _check_unregistered if observed is None else _check_registered
    (not_before, not_after), more = check(lookup)
    revision = current_revision(desired, observed)
    tags = {} if observed is None else observed.tags
    differing = ["not registered"]
    if observed is not None:
        differing = [str(difference) for difference in differences(desired, observed)]
    return Result(
        certificate_id=certificate.certificate_id,
        certificate_arn=arn,
        certificate_mode=desired.certificate_mode,
        status=desired.status,
        auto_registration_status=auto_registration_status(desired.auto_registration),
        not_before=utc.rfc3339(not_before),
        not_after=utc.rfc3339(not_after),
        revision=revision
        or new_revision(desired, observed, os.urandom(4).hex(), lookup.interrupted),
        request=protocol.write_request(
            lookup.name,
            lookup.account.target,
            desired,
            certificate.pem,
            is_absent=observed is None and lookup.interrupted is None,
        ),
        drift=differing if observed is not None and is_drift(desired, observed) else [],
        differences=differing,
        is_reconciled=revision is not None,
        default_tags={
            key: value for key, value in managed_tags(tags).items() if key not in desired.tags
        },
        default_tags_digest=default_tags_digest(tags),
        warnings=warnings + more,
        template_exists=lookup.template_exists,
        address_prefix=module_address.address_prefix() if lookup.template_exists else "",
    )


def _printable(result: Result) -> Result:
    """Return a result whose sentences, which can quote AWS, a terminal may print."""
    return replace(
        result,
        drift=[one_line(sentence) for sentence in result.drift],
        warnings=[one_line(sentence) for sentence in result.warnings],
    )


def _check_unregistered(lookup: Lookup) -> tuple[Validity, list[str]]:
    """Return the validity and warnings; raise Failure if registering the CA would fail."""
    desired, certificate = lookup.desired, lookup.certificate
    claim = ownership.claim(desired, certificate, lookup.account)
    authority = pem.parse(certificate)
    warnings = validation.warnings(authority)
    if lookup.interrupted is not None:
        warnings.append(
            "not registered, since a change of the mode was interrupted; apply finishes the change"
        )
    warnings += claim.check() if desired.certificate_mode == "DEFAULT" else []
    return pem.validity(authority), warnings


def _check_registered(lookup: Lookup) -> tuple[Validity, list[str]]:
    """Return the validity and warnings; raise Failure if a change of the mode would fail."""
    desired, certificate, observed = lookup.desired, lookup.certificate, lookup.observed
    assert observed is not None
    # AWS IoT answers the validity of the same certificate: importing what parses one takes as long
    # as the calls.
    validity = observed.validity or pem.validity(pem.parse(certificate))
    warnings = []
    if observed.mode != desired.certificate_mode:
        mode_change.require_allowed(desired, observed)
        claim = ownership.claim(desired, certificate, lookup.account)
        warnings += mode_change.check(desired, claim)
    if utc.now() > validity[1]:
        warnings.append(
            f"expired at {utc.rfc3339(validity[1])}; its new devices are not provisioned, and "
            "registered device certificates keep working until they are revoked; remove it once "
            "its devices have certificates of its successor"
        )
    return validity, warnings


def _duplicates(certificates: Mapping[str, Certificate]) -> dict[str, Failure]:
    names: dict[str, list[str]] = {}
    for name, certificate in certificates.items():
        names.setdefault(certificate.certificate_id, []).append(name)
    return {
        name: Failure(f"same certificate {certificate_id}; keep one of the names")
        for certificate_id, same in names.items()
        if len(same) > 1
        for name in same
    }
