"""The commands: what is looked up, what is written, in which order, and what is refused."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from iot_ca import utc
from iot_ca.aws.registry import Registry
from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure, one_line
from iot_ca.model import DesiredCa, ObservedCa, Target
from iot_ca.ownership import claim
from iot_ca.reconcile import drift, mode_change
from iot_ca.reconcile.deregistration import leave
from iot_ca.reconcile.loop import converge
from iot_ca.terraform import protocol
from iot_ca.terraform.protocol import Result

T = TypeVar("T")

REQUEST_VARIABLE = "IOT_CA_REQUEST"
DEBUG_VARIABLE = "IOT_CA_DEBUG"


class Failures(Exception):
    """One Failure for each of several CAs, by name."""

    def __init__(self, target: Target, by_name: Mapping[str, Failure]) -> None:
        super().__init__(target, by_name)
        self.target = target
        self.by_name = by_name

    def lines(self) -> list[str]:
        """One line for each thing that is wrong, naming every CA it is wrong with."""
        names: dict[str, list[str]] = {}
        for name, failure in self.by_name.items():
            names.setdefault(one_line(str(failure)), []).append(name)
        return [f"{_some(named)} ({self.target}): {text}" for text, named in names.items()]


def run(argv: Sequence[str]) -> int:
    """Run one command; returns the exit status. Prints what Terraform shows of it."""
    commands: dict[str, Callable[[], str]] = {
        "inspect": lambda: inspect(_query()),
        "register": lambda: register(_request()),
        "deregister": lambda: deregister(_request()),
    }
    try:
        if argv and argv[0] == "csr":
            from iot_ca.ownership import csr

            return csr.run(argv[1:])
        if argv and argv[0] == "status":
            from iot_ca.fleet import status

            return status.run(argv[1:])
        if len(argv) != 1 or argv[0] not in commands:
            raise Failure(f"usage: iot_ca {' | '.join([*commands, 'csr', 'status'])}")
        print(commands[argv[0]]())
        return 0
    except Failures as failures:
        lines = failures.lines()
        _debug()
    except Failure as failure:
        lines = [one_line(str(failure))]
        _debug()
    except KeyboardInterrupt:
        lines = ["interrupted; run again to finish what was begun"]
    except Exception as error:
        # The class alone: the text of an unforeseen error could carry what was read.
        lines = [f"unforeseen {type(error).__name__}; run with {DEBUG_VARIABLE}=1 and report it"]
        _debug()
    for line in lines:
        print(f"iot_ca: {one_line(line)}", file=sys.stderr)
    return 1


def inspect(query: str) -> str:
    """Look up every CA of the query; returns one JSON object of strings. Writes nothing.

    Raises Failures naming every CA that is not as it must be, so that one plan shows them all.
    """
    request = protocol.read_inspect(query)
    wanted = request.certificate_authorities
    read, failures = _each(wanted, lambda name: pem.read(wanted[name].certificate_pem))
    failures.update(_same_certificate_twice(read))
    registry = Registry(request.target)
    observed: Mapping[str, ObservedCa | Failure | None] = {}
    if read:
        try:
            observed = registry.observe(each.certificate_id for each in read.values())
        except Failure as failure:
            by_name = {**dict.fromkeys(read, failure), **failures}
            raise Failures(request.target, by_name) from failure
    now = utc.now()
    results, refused = _each(
        read,
        lambda name: _result(
            registry, name, wanted[name], read[name], observed[read[name].certificate_id], now
        ),
    )
    failures = {**refused, **failures}
    if failures:
        raise Failures(request.target, failures)
    return protocol.write_results(results)


def register(text: str) -> str:
    """Make AWS hold one CA as the request wants it; returns what was done, in words.

    Looks first, writes only what differs, writes the revision last, and looks again: it ends
    when there is nothing left to write. Raises Failures.
    """
    request = protocol.read_register(text)
    try:
        done = converge(request)
    except Failure as failure:
        raise Failures(request.target, {request.name: failure}) from failure
    return f"iot_ca: {request.name} ({request.target}): {done}"


def deregister(text: str) -> str:
    """Take one CA out of the account as the request says; returns what was done, in words.

    A CA that is gone already is no error. Raises Failures.
    """
    request = protocol.read_deregister(text)
    try:
        done = leave(request)
    except Failure as failure:
        raise Failures(request.target, {request.name: failure}) from failure
    return f"iot_ca: {request.name} ({request.target}): {done}"


def _each(
    names: Iterable[str], work: Callable[[str], T]
) -> tuple[dict[str, T], dict[str, Failure]]:
    """What `work` answers for each name, and what it failed with."""
    done: dict[str, T] = {}
    failures: dict[str, Failure] = {}
    for name in names:
        try:
            done[name] = work(name)
        except Failure as failure:
            failures[name] = failure
    return done, failures


def _result(
    registry: Registry,
    name: str,
    desired: DesiredCa,
    certificate: Certificate,
    observed: ObservedCa | Failure | None,
    now: datetime,
) -> Result:
    if isinstance(observed, Failure):
        raise observed
    warnings = []
    if certificate.certificates_after:
        warnings.append(
            f"certificate_pem holds {certificate.certificates_after + 1} certificates; the first "
            "one is used"
        )
    if observed is None:
        proof = claim(desired, certificate, registry.account)
        if desired.certificate_mode == "DEFAULT":
            warnings += proof.check()
        not_before, not_after = pem.validity(pem.parse(certificate))
    else:
        # AWS has read it from the very same certificate: importing what parses one takes as long
        # as the calls.
        not_before, not_after = observed.validity or pem.validity(pem.parse(certificate))
        if observed.mode != desired.certificate_mode:
            mode_change.refuse(desired, observed)
            proof = claim(desired, certificate, registry.account)
            warnings += mode_change.check(desired, proof)
        if now > not_after:
            warnings.append(
                f"expired at {utc.rfc3339(not_after)}; it stays registered, but its "
                "devices' certificates no longer verify"
            )
    revision = drift.converged_revision(desired, observed) or drift.fresh_revision(
        desired, observed, os.urandom(4).hex()
    )
    return Result(
        certificate_id=certificate.certificate_id,
        certificate_arn=registry.arn(certificate.certificate_id),
        certificate_mode=desired.certificate_mode,
        status=desired.status,
        auto_registration_status=drift.enable(desired.auto_registration),
        not_before=utc.rfc3339(not_before),
        not_after=utc.rfc3339(not_after),
        revision=revision,
        request=protocol.write_request(name, registry.target, desired, certificate.pem),
        drift=(
            ["not registered"]
            if observed is None
            else [str(each) for each in drift.differences(desired, observed)]
        ),
        warnings=warnings,
    )


def _same_certificate_twice(read: Mapping[str, Certificate]) -> dict[str, Failure]:
    names: dict[str, list[str]] = {}
    for name, certificate in read.items():
        names.setdefault(certificate.certificate_id, []).append(name)
    return {
        name: Failure(f"same certificate {certificate_id}; keep one of the names")
        for certificate_id, named in names.items()
        if len(named) > 1
        for name in named
    }


def _query() -> str:
    try:
        # Terraform writes UTF-8, whatever the locale says.
        return sys.stdin.buffer.read().decode("utf-8")
    except (AttributeError, OSError):
        raise Failure("the query can't be read: there is no standard input") from None
    except UnicodeDecodeError:
        raise Failure("the query is not UTF-8") from None


def _request() -> str:
    try:
        return os.environ[REQUEST_VARIABLE]
    except KeyError:
        raise Failure(
            f"{REQUEST_VARIABLE} is not set; the module sets it, this command is not for typing"
        ) from None


def _some(names: Sequence[str]) -> str:
    shown = 5
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + more


def _debug() -> None:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        traceback.print_exc()
