"""The commands: what is looked up, what is written, in which order, and what is refused."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import TypeVar

from iot_ca import certificate as certificates
from iot_ca import drift, mode_change, protocol, signers
from iot_ca.certificate import Certificate
from iot_ca.drift import (
    Delete,
    Forget,
    Memory,
    Observed,
    Origin,
    Register,
    Remember,
    Step,
    Tag,
    Untag,
    Update,
)
from iot_ca.failure import Failure, Gone, one_line
from iot_ca.mode_change import WayBack
from iot_ca.protocol import (
    CertificateAuthority,
    DeregisterRequest,
    OnDestroy,
    RegisterRequest,
    Result,
    Target,
)
from iot_ca.registry import Registry
from iot_ca.signers import Claim

T = TypeVar("T")

REQUEST_VARIABLE = "IOT_CA_REQUEST"
DEBUG_VARIABLE = "IOT_CA_DEBUG"

_DONE = {
    Register: "registered",
    Update: "updated",
    Delete: "deleted",
    Untag: "untagged",
    Tag: "tagged",
    Remember: "",
    Forget: "",
}

_LEFT = {"delete": "deleted", "deactivate": "deactivated", "retain": "retained"}

_LOOKS = 8
# Seconds before a step is made again that does not show up in what AWS answers next.
_PATIENCE = 1.0


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
            from iot_ca import csr

            return csr.run(argv[1:])
        if len(argv) != 1 or argv[0] not in commands:
            raise Failure(f"usage: iot_ca.py {' | '.join([*commands, 'csr'])}")
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
    read, failures = _each(wanted, lambda name: certificates.read(wanted[name].certificate_pem))
    failures.update(_same_certificate_twice(read))
    registry = Registry(request.target)
    observed: Mapping[str, Observed | Failure | None] = {}
    if read:
        try:
            observed = registry.observe(each.certificate_id for each in read.values())
        except Failure as failure:
            by_name = {**dict.fromkeys(read, failure), **failures}
            raise Failures(request.target, by_name) from failure
    now = _now()
    results, refused = _each(
        read,
        lambda name: _result(
            registry, wanted[name], read[name], observed[read[name].certificate_id], now
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
        done = _converge(request)
    except Failure as failure:
        raise Failures(request.target, {request.name: failure}) from failure
    return f"iot_ca: {request.name} ({request.target}): {done}"


def deregister(text: str) -> str:
    """Take one CA out of the account as the request says; returns what was done, in words.

    A CA that is gone already is no error. Raises Failures.
    """
    request = protocol.read_deregister(text)
    try:
        done = _leave(request)
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
    desired: CertificateAuthority,
    certificate: Certificate,
    observed: Observed | Failure | None,
    now: datetime,
) -> Result:
    if isinstance(observed, Failure):
        raise observed
    warnings = []
    if certificate.followers:
        warnings.append(
            f"certificate_pem holds {certificate.followers + 1} certificates; the first one is used"
        )
    if observed is None:
        parsed = certificates.parse(certificate)
        certificates.check(parsed, now)
        if desired.certificate_mode == "DEFAULT":
            warnings += signers.check(Claim(desired.verification, parsed, registry, now))
        not_before, not_after = certificates.validity(parsed)
    else:
        # AWS has read it from the very same certificate: importing what parses one takes as long
        # as the calls.
        not_before, not_after = observed.validity or certificates.validity(
            certificates.parse(certificate)
        )
        if observed.mode != desired.certificate_mode:
            mode_change.refuse(desired, observed)
            parsed = certificates.parse(certificate)
            certificates.check(parsed, now)
            claim = Claim(desired.verification, parsed, registry, now)
            warnings += mode_change.check(desired, claim)
        if now > not_after:
            warnings.append(
                f"expired at {certificates.rfc3339(not_after)}; it stays registered, but its "
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
        not_before=certificates.rfc3339(not_before),
        not_after=certificates.rfc3339(not_after),
        revision=revision,
        drift=(
            ["not registered"]
            if observed is None
            else [str(each) for each in drift.differences(desired, observed)]
        ),
        warnings=warnings,
    )


def _converge(request: RegisterRequest) -> str:
    desired = request.certificate_authority
    certificate = certificates.read(desired.certificate_pem)
    registry = Registry(request.target)
    done: list[str] = []
    before: list[Step] = []
    origin: Origin | None = None
    taken_out: Memory | None = None
    seen: set[str | None] = {request.revision}
    wrote_revision = False
    for _ in range(_LOOKS):
        observed = registry.observe_one(certificate.certificate_id)
        memory = registry.recall(certificate.certificate_id)
        steps = drift.steps(
            desired, observed, request.revision, request.owner, origin, memory, taken_out
        )
        if observed is not None and not wrote_revision:
            seen.add(observed.revision)
        elif observed is not None and observed.revision not in seen:
            # Another run has been here since. If it wants the same, writing over each other would
            # never end.
            steps = [] if drift.only_the_writer_differs(steps) else steps
        if not steps:
            template = f", template {desired.template_name}" if desired.template_name else ""
            return (
                f"{', '.join(filter(None, done)) or 'nothing to do'}; "
                f"{desired.certificate_mode}, {desired.status}{template}"
            )
        if steps == before:
            time.sleep(_PATIENCE)
        before = steps
        proof, way_back = _prepare(registry, desired, certificate, observed, memory, steps)
        for step in steps:
            try:
                registered = registry.carry_out(step, certificate, proof)
            except Failure as failure:
                if isinstance(failure, Gone) and _is_gone(registry, certificate, step):
                    break
                if way_back is None:
                    raise
                mode_change.restore(way_back, certificate, registry, failure)
                break
            if registered and isinstance(step, Register):
                origin = "registered" if step.tags[drift.ORIGIN_TAG] == "registered" else "adopted"
            elif isinstance(step, Register) and way_back is not None:
                taken_out = way_back.memory
            wrote_revision |= registered or isinstance(step, Tag)
            done.append(_DONE[type(step)])
    raise Failure(
        "what was written does not show up in AWS IoT, or something else changes the CA at the "
        "same time; run again when nothing else does"
    )


def _is_gone(registry: Registry, certificate: Certificate, step: Step) -> bool:
    """Whether a step found nothing because somebody has deleted the CA since the last look.

    Another run that changes its mode does, and has registered it again by the next look or the one
    after; else what is missing is something that the step names, such as a template.
    """
    if not isinstance(step, Update | Untag | Tag):
        return False
    return registry.observe_one(certificate.certificate_id) is None


def _prepare(
    registry: Registry,
    desired: CertificateAuthority,
    certificate: Certificate,
    observed: Observed | None,
    memory: Memory | None,
    steps: list[Step],
) -> tuple[str | None, WayBack | None]:
    """Check and prove what a registration among `steps` needs, before the first of them.

    Returns the verification certificate for DEFAULT mode, and the way back if the mode changes.
    """
    registration = next((step for step in steps if isinstance(step, Register)), None)
    if registration is None:
        return None, None
    if observed is not None:
        mode_change.refuse(desired, observed)
        memory = drift.before_change(observed, memory)
    parsed = certificates.parse(certificate)
    claim = Claim(desired.verification, parsed, registry, _now())
    certificates.check(parsed, claim.now)
    proof = signers.certificate_pem(claim) if desired.certificate_mode == "DEFAULT" else None
    if memory is None or memory.mode == desired.certificate_mode:
        return proof, None
    way_back = mode_change.way_back(memory, claim)
    if observed is not None:
        mode_change.probe(desired, observed, registration, certificate, proof, registry)
    return proof, way_back


def _leave(request: DeregisterRequest) -> str:
    registry = Registry(request.target)
    certificate_id = request.certificate_id
    observed = registry.observe_one(certificate_id)
    memory = registry.recall(certificate_id)
    tags = observed.tags if observed is not None else memory.tags if memory is not None else {}
    if tags.get(drift.OWNER_TAG) not in (None, request.owner):
        return "left alone, since another record in a Terraform state manages it now"
    on_destroy, why = _what_to_do(request, tags)
    if observed is None:
        if memory is not None and on_destroy != "delete":
            raise Failure(
                f"a change of its mode was interrupted and it is not registered now, but is to be "
                f"{_LEFT[on_destroy]}, since {why}; apply once more before you destroy"
            )
        if memory is not None:
            registry.forget(certificate_id)
        return "not registered, nothing to do"
    done = ""
    if on_destroy == "delete":
        _delete(registry, request, observed, why)
    else:
        done = _stay(registry, request, observed, memory, on_destroy)
    if memory is not None:
        registry.forget(certificate_id)
    return f"{done}{_LEFT[on_destroy]}, since {why}"


def _what_to_do(request: DeregisterRequest, tags: Mapping[str, str]) -> tuple[OnDestroy, str]:
    if request.on_destroy is not None:
        return request.on_destroy, "on_destroy says so"
    if tags.get(drift.ORIGIN_TAG) == "registered":
        return "delete", "this module registered it"
    return "retain", "this module only adopted it"


def _delete(registry: Registry, request: DeregisterRequest, observed: Observed, why: str) -> None:
    certificate_id = request.certificate_id
    if not request.force_destroy and (devices := registry.devices(certificate_id)):
        raise Failure(
            f"it is to be deleted, since {why}, but {devices} that it has signed are registered "
            "in this account (aws iot list-certificates-by-ca); delete them first, or set "
            'force_destroy = true, or on_destroy = "deactivate" or "retain", and apply once before '
            "the CA leaves the configuration"
        )
    if observed.status == "ACTIVE":
        registry.update(certificate_id, Update(status="INACTIVE"))
    registry.delete(certificate_id)


def _stay(
    registry: Registry,
    request: DeregisterRequest,
    observed: Observed,
    memory: Memory | None,
    on_destroy: OnDestroy,
) -> str:
    """Take off a CA that stays what goes: the template, the module's own tags, and its activity.

    All else stays as it is. Returns what was done beside that, in words.
    """
    certificate_id = request.certificate_id
    own = {key for key in observed.tags if key.startswith(drift.TAG_PREFIX)}
    attached = request.template_name is not None and request.template_name == observed.template_name
    auto_registration = observed.auto_registration
    if observed.auto_registration_to_keep is not None:
        auto_registration = observed.auto_registration_to_keep
    elif attached:
        # Whether taking the template off switches auto-registration off is not documented; and
        # whoever finishes an interrupted run must know what it was.
        registry.tag(certificate_id, drift.keep_auto_registration(observed))
        own.add(drift.REVISION_TAG)
    if attached:
        registry.update(certificate_id, Update(remove_registration_config=True))
    if attached or auto_registration != observed.auto_registration:
        registry.update(certificate_id, Update(auto_registration=auto_registration))
    status = observed.status if memory is None else drift.before_change(observed, memory).status
    if on_destroy == "deactivate":
        status = "INACTIVE"
    if observed.status != status:
        registry.update(certificate_id, Update(status=status))
    # Whoever adopts it next must not take it for its own.
    if own:
        registry.untag(certificate_id, Untag(tuple(sorted(own))))
    return f"template {request.template_name} detached, " if attached else ""


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


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _debug() -> None:
    if os.environ.get(DEBUG_VARIABLE) == "1":
        import traceback

        traceback.print_exc()
