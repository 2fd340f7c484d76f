"""Make AWS hold one CA as wanted: look, write what differs, and look again until nothing does."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from iot_ca import model
from iot_ca.aws.registry import Registry
from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure, Gone
from iot_ca.model import DesiredCa, ObservedCa, Origin, RegisterRequest, Snapshot
from iot_ca.ownership import claim
from iot_ca.reconcile import drift, mode_change
from iot_ca.reconcile.drift import Delete, Forget, Register, Remember, Step, Tag, Untag, Update
from iot_ca.reconcile.mode_change import WayBack

if TYPE_CHECKING:
    from iot_ca.ownership.proof import Claim

_DONE = {
    Register: "registered",
    Update: "updated",
    Delete: "deleted",
    Untag: "untagged",
    Tag: "tagged",
    Remember: "",
    Forget: "",
}

_LOOKS = 10
# Seconds before a step is made again that does not show up in what AWS answers next.
_PATIENCE = 1.0


def converge(request: RegisterRequest) -> str:
    """Carry out a request; returns what was done, in words. Raises Failure.

    It ends when there is nothing left to write. What a run leaves that fails or dies, the next one
    takes up.
    """
    certificate = pem.read(request.certificate_authority.certificate_pem)
    run = _Run(request, certificate, Registry(request.target))
    before: list[Step] = []
    for _ in range(_LOOKS):
        observed = run.registry.observe_one(certificate.certificate_id)
        memory = run.recall(observed)
        steps = run.steps(observed, memory)
        if not steps:
            return run.in_words()
        if steps == before:
            time.sleep(_PATIENCE)
        before = steps
        run.carry_out(steps, run.prepare(steps, observed, memory))
    raise Failure(
        "what was written does not show up in AWS IoT, or something else changes the CA at the "
        "same time; run again when nothing else does"
    )


@dataclass
class _Run:
    """One run, and what it knows better than AWS's next answer.

    Attributes:
        done: what was done, in words.
        origin: of a CA that it has registered.
        remembered: what it has put aside of a CA whose mode it changes.
        forgot: whether it has removed that.
        taken_out: what it has deleted, and somebody else has registered again.
        seen: the revisions that the CA carried before it wrote its own.
        wrote_revision: whether it has written its own.
    """

    request: RegisterRequest
    certificate: Certificate
    registry: Registry
    done: list[str] = field(default_factory=list)
    origin: Origin | None = None
    remembered: Snapshot | None = None
    forgot: bool = False
    taken_out: Snapshot | None = None
    seen: set[str | None] = field(default_factory=set)
    wrote_revision: bool = False

    @property
    def _desired(self) -> DesiredCa:
        return self.request.certificate_authority

    @cached_property
    def _claim(self) -> Claim:
        return claim(self._desired, self.certificate, self.registry.account)

    @cached_property
    def _proof(self) -> str:
        # Once for all registrations of this run: an issuer is paid for each.
        return self._claim.issue()

    def recall(self, observed: ObservedCa | None) -> Snapshot | None:
        """What an unfinished change of the mode has left, this run's or an earlier one's."""
        if self.forgot:
            return None
        found = self.registry.recall(self.certificate.certificate_id)
        if found is None and (observed is None or observed.mode == self._desired.certificate_mode):
            # It has been read back before the CA was taken out: AWS only answers late.
            return self.remembered
        return found

    def steps(self, observed: ObservedCa | None, memory: Snapshot | None) -> list[Step]:
        """What there is to do next."""
        request = self.request
        steps = drift.steps(
            self._desired,
            observed,
            request.revision,
            request.owner,
            self.origin,
            memory,
            self.taken_out,
        )
        if observed is None:
            return steps
        if not self.wrote_revision:
            self.seen.add(observed.revision)
        elif observed.revision not in {request.revision, *self.seen}:
            # Another run has been here since. If it wants the same, writing over each other would
            # never end.
            return [] if drift.only_the_writer_differs(steps) else steps
        return steps

    def prepare(
        self, steps: list[Step], observed: ObservedCa | None, memory: Snapshot | None
    ) -> WayBack | None:
        """Check and prove what a registration needs, before the first call that leads to it.

        Returns the way back if the mode changes. Raises Failure where it can't work.
        """
        desired = self._desired
        changes = observed is not None and observed.mode != desired.certificate_mode
        if not changes and not any(isinstance(step, Register) for step in steps):
            return None
        if observed is not None:
            mode_change.refuse(desired, observed)
        _ = self._claim
        if desired.certificate_mode == "DEFAULT":
            _ = self._proof
        if observed is None:
            if memory is None or memory.mode == desired.certificate_mode:
                return None
            return WayBack(memory, self._proof_of_before(memory, must=False))
        before = drift.before_change(observed, memory)
        way_back = WayBack(before, self._proof_of_before(before, must=True))
        registration = drift.registration(
            desired, self.request.revision, self.request.owner, before.tags
        )
        proof = self._proof_for(registration)
        mode_change.probe(
            way_back, desired, registration, self.certificate, proof, self.registry, steps
        )
        return way_back

    def carry_out(self, steps: list[Step], way_back: WayBack | None) -> None:
        """Make the calls, until one meets what was not expected: then it is time to look again.

        Raises Failure for what AWS refuses; a change of the mode is taken back then.
        """
        for step in steps:
            try:
                registered = self.registry.carry_out(step, self.certificate, self._proof_for(step))
            except Failure as failure:
                if isinstance(failure, Gone) and self._is_gone(step):
                    return
                if way_back is None:
                    raise
                mode_change.restore(way_back, self.certificate, self.registry, failure)
                return
            self._note(step, registered, way_back)

    def in_words(self) -> str:
        """What was done, and what the CA is now."""
        desired = self._desired
        template = f", template {desired.template_name}" if desired.template_name else ""
        done = [each for each in self.done if each]
        if "deleted" in done:
            done = ["mode changed"]
        return (
            f"{', '.join(done) or 'nothing to do'}; "
            f"{desired.certificate_mode}, {desired.status}{template}"
        )

    def _note(self, step: Step, registered: bool, way_back: WayBack | None) -> None:
        self.done.append(_DONE[type(step)])
        self.wrote_revision |= registered or isinstance(step, Tag)
        if isinstance(step, Register) and registered:
            self.origin = model.origin_in(step.tags)
        elif isinstance(step, Register) and way_back is not None:
            self.taken_out = way_back.memory
        elif isinstance(step, Remember):
            self.remembered = step.memory
        elif isinstance(step, Forget):
            self.forgot = True

    def _proof_for(self, step: Step) -> str | None:
        in_default = isinstance(step, Register) and step.certificate_mode == "DEFAULT"
        return self._proof if in_default else None

    def _proof_of_before(self, before: Snapshot, must: bool) -> str | None:
        """The proof for going back to DEFAULT mode; None where there is none, or need not be."""
        if before.mode != "DEFAULT" or self._desired.verification is None:
            return None
        try:
            return self._proof
        except Failure:
            # The CA is not registered at the moment: nothing is worse than leaving it so.
            if must:
                raise
            return None

    def _is_gone(self, step: Step) -> bool:
        """Whether a step found nothing because somebody has deleted the CA since the last look.

        Another run that changes its mode does, and has registered it again by the next look or
        the one after; else what is missing is something that the step names, such as a template.
        """
        if not isinstance(step, Update | Untag | Tag):
            return False
        return self.registry.observe_one(self.certificate.certificate_id) is None
