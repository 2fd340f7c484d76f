"""What AWS IoT Core has of CA certificates, and the calls that change it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from iot_ca.aws.session import Account
from iot_ca.certificates import pem
from iot_ca.errors import Denied, Failure, one_line
from iot_ca.model import ObservedCa, Snapshot, Target
from iot_ca.reconcile.drift import (
    Delete,
    Forget,
    Register,
    Remember,
    Step,
    Tag,
    Untag,
    Update,
    enable,
)

if TYPE_CHECKING:
    from concurrent.futures import Future

    from iot_ca.certificates.pem import Certificate

# AWS allows about ten of these calls a second; more at once would only be throttled.
_PARALLEL_CALLS = 10
_PAGE = 250
# Of a thing group's attributes: how many, and the characters of each (AWS IoT's quotas).
_ATTRIBUTES = 50
_ATTRIBUTE = 800


class Registry:
    """The CA certificates of one account and region.

    Clients are made at the first call. Every method raises Failure and nothing else.
    """

    def __init__(self, target: Target, account: Account | None = None) -> None:
        self.target = target
        self.account = account or Account(target)

    @property
    def _iot(self) -> Any:
        return self.account.client("iot")

    def arn(self, certificate_id: str) -> str:
        """The ARN that a CA has, or will have, in this account and region."""
        return self._arn(f"cacert/{certificate_id}")

    def observe(self, certificate_ids: Iterable[str]) -> dict[str, ObservedCa | Failure | None]:
        """Each CA as AWS has it: None where it is not registered, or what went wrong.

        Two calls a CA, all in parallel. The ARN of a CA that is found names the account; only
        where one is not found is AWS asked who the caller is, since neither "not registered" nor
        "not permitted" must be said of another account than the provider's.
        """
        from concurrent.futures import ThreadPoolExecutor

        ids = list(dict.fromkeys(certificate_ids))
        arns = {certificate_id: self.arn(certificate_id) for certificate_id in ids}
        _ = self._iot  # made here: not in several threads
        with ThreadPoolExecutor(min(_PARALLEL_CALLS, 2 * len(ids) or 1)) as pool:
            described = {each: pool.submit(self._describe, each) for each in ids}
            tagged = {each: pool.submit(self._tags, arns[each]) for each in ids}
        observed: dict[str, ObservedCa | Failure | None] = {}
        for each in ids:
            try:
                observed[each] = self._put_together(each, described[each].result(), tagged[each])
            except Failure as failure:
                observed[each] = failure
        doubtful = [each for each in ids if isinstance(observed[each], Denied | None)]
        if doubtful:
            try:
                self.account.check()
            except Failure as failure:
                observed.update(dict.fromkeys(doubtful, failure))
        return observed

    def observe_one(self, certificate_id: str) -> ObservedCa | None:
        """One CA as AWS has it, or None where this very account has no such CA."""
        found = self.observe([certificate_id])[certificate_id]
        if isinstance(found, Failure):
            raise found
        return found

    def carry_out(self, step: Step, certificate: Certificate, proof: str | None) -> bool:
        """Make the call that a step stands for; returns whether it registered the CA.

        `proof` is the verification certificate (PEM) of a registration in DEFAULT mode. A CA
        that somebody else registers in the same moment, or that an earlier attempt of this very
        call registered before its connection broke, is not an error: the caller looks again.
        """
        certificate_id = certificate.certificate_id
        match step:
            case Register():
                return self._register(step, certificate, proof)
            case Update():
                self.update(certificate_id, step)
            case Delete():
                self.delete(certificate_id)
            case Remember():
                self.remember(certificate_id, step.memory)
            case Forget():
                self.forget(certificate_id)
            case Untag():
                self.untag(certificate_id, step)
            case Tag():
                self.tag(certificate_id, step)
        return False

    def update(self, certificate_id: str, update: Update) -> None:
        """UpdateCACertificate with what `update` names."""
        request: dict[str, Any] = {"certificateId": certificate_id}
        if update.status is not None:
            request["newStatus"] = update.status
        if update.auto_registration is not None:
            request["newAutoRegistrationStatus"] = enable(update.auto_registration)
        if update.template_name is not None:
            request["registrationConfig"] = {"templateName": update.template_name}
        if update.remove_registration_config:
            request["removeAutoRegistration"] = True
        with self.account.failures():
            self._iot.update_ca_certificate(**request)

    def tag(self, certificate_id: str, tag: Tag) -> None:
        """TagResource."""
        arn = self.arn(certificate_id)
        with self.account.failures():
            self._iot.tag_resource(resourceArn=arn, tags=_aws_tags(tag.tags))

    def untag(self, certificate_id: str, untag: Untag) -> None:
        """UntagResource."""
        arn = self.arn(certificate_id)
        with self.account.failures():
            self._iot.untag_resource(resourceArn=arn, tagKeys=list(untag.keys))

    def delete(self, certificate_id: str) -> None:
        """DeleteCACertificate; a CA that is gone already is no error. It must be INACTIVE."""
        with self.account.failures():
            try:
                self._iot.delete_ca_certificate(certificateId=certificate_id)
            except self._iot.exceptions.ResourceNotFoundException:
                return

    def devices(self, certificate_id: str) -> str:
        """How many certificates of devices that this CA has signed are registered, in words.

        Empty where there is none. No more than one page is counted.
        """
        request: dict[str, Any] = {"caCertificateId": certificate_id, "pageSize": _PAGE}
        with self.account.failures():
            while True:
                page = self._iot.list_certificates_by_ca(**request)
                count, more = len(page["certificates"]), page.get("nextMarker")
                # A page may be empty and not the last.
                if count or not more:
                    break
                request["marker"] = more
        if not count:
            return ""
        noun = "certificate of a device" if count == 1 else "certificates of devices"
        return f"{'more than ' if more else ''}{count} {noun}"

    # The memory of a change of mode: a thing group, since it outlives the CA, is found by a name
    # that is known beforehand, and has room for all of it in attributes, made and read by one call.

    def recall(self, certificate_id: str) -> Snapshot | None:
        """What an unfinished change of the CA's mode has left, if there is one."""
        name = _memory_name(certificate_id)
        with self.account.failures():
            try:
                group = self._iot.describe_thing_group(thingGroupName=name)
            except self._iot.exceptions.ResourceNotFoundException:
                return None
        payload = group.get("thingGroupProperties", {}).get("attributePayload", {})
        try:
            return _memory_in(payload.get("attributes", {}))
        except (ValueError, TypeError, zlib.error):
            raise Failure(
                f"the thing group {name}, in which a change of this CA's mode is remembered, has "
                "been altered; delete it, and check the tags of the CA afterwards"
            ) from None

    def remember(self, certificate_id: str, memory: Snapshot) -> None:
        """CreateThingGroup with all that `recall` answers."""
        name = _memory_name(certificate_id)
        request = {
            "thingGroupName": name,
            "thingGroupProperties": {
                "thingGroupDescription": "What a CA certificate was before a change of its mode. "
                "The next run of terraform-aws-iot-ca removes it.",
                "attributePayload": {"attributes": _attributes_of(memory)},
            },
        }
        with self.account.failures():
            try:
                self._iot.create_thing_group(**request)
                return
            except self._iot.exceptions.ResourceAlreadyExistsException:
                pass
        try:
            if self.recall(certificate_id) == memory:
                return
        except Failure:
            # Whatever is in it: the CA is still there, so nothing is lost with it.
            pass
        with self.account.failures():
            self._iot.delete_thing_group(thingGroupName=name)
            self._iot.create_thing_group(**request)

    def forget(self, certificate_id: str) -> None:
        """DeleteThingGroup; a memory that is gone already is no error."""
        with self.account.failures():
            try:
                self._iot.delete_thing_group(thingGroupName=_memory_name(certificate_id))
            except self._iot.exceptions.ResourceNotFoundException:
                return

    def may_delete(self, certificate_id: str) -> None:
        """Raise Failure if DeleteCACertificate would be refused for want of a permission.

        Tried on a CA that is ACTIVE, which AWS refuses with CertificateStateException.
        """
        with self.account.failures():
            try:
                self._iot.delete_ca_certificate(certificateId=certificate_id)
            except (
                self._iot.exceptions.CertificateStateException,
                self._iot.exceptions.ResourceNotFoundException,
            ):
                return

    def may_register(self, step: Register, certificate: Certificate, proof: str | None) -> None:
        """Raise Failure if AWS would refuse this registration of a CA that is registered.

        Tried while the old registration is there, so that it can have no effect: AWS answers that
        the CA exists already (API reference).
        """
        self._register(step, certificate, proof)

    def _register(self, step: Register, certificate: Certificate, proof: str | None) -> bool:
        request: dict[str, Any] = {
            "caCertificate": certificate.pem,
            "certificateMode": step.certificate_mode,
            "setAsActive": step.active,
            "allowAutoRegistration": step.auto_registration,
            "tags": _aws_tags(step.tags),
        }
        if step.registration_config:
            request["registrationConfig"] = dict(step.registration_config)
        if proof is not None:
            request["verificationCertificate"] = proof
        with self.account.failures():
            try:
                answer = self._iot.register_ca_certificate(**request)
            except self._iot.exceptions.ResourceAlreadyExistsException as error:
                answer = error.response
                there = answer.get("resourceId") or certificate.certificate_id
                _refuse_other_id(there, certificate.certificate_id)
                return False
            except self._iot.exceptions.LimitExceededException as error:
                said = one_line(str(error.response["Error"].get("Message", "")))
                self._too_many(certificate, f"LimitExceededException: {said}")
                raise
            registered = str(answer["certificateId"])
        _refuse_other_id(registered, certificate.certificate_id)
        return True

    def _too_many(self, certificate: Certificate, said: str) -> None:
        """Raise Failure with the CAs that hold the quota of those with the same subject.

        Ten of them (AWS general reference); where there is none, another quota is meant.
        """
        try:
            holders = self._with_the_subject_of(certificate)
        except Failure as failure:
            holders = [f"(which ones can't be told: {failure})"]
        if not holders:
            return
        raise Failure(
            "AWS IoT holds at most ten CA certificates with the same subject in an account and "
            "region; delete one that no device needs any more (aws iot delete-ca-certificate, "
            f"after deactivating it): {', '.join(holders)}; AWS says: {said}"
        )

    def _with_the_subject_of(self, certificate: Certificate) -> list[str]:
        from concurrent.futures import ThreadPoolExecutor

        subject = pem.parse(certificate).subject
        ids: list[str] = []
        request: dict[str, Any] = {"pageSize": _PAGE}
        while True:
            with self.account.failures():
                page = self._iot.list_ca_certificates(**request)
            ids += [each["certificateId"] for each in page["certificates"]]
            if not page.get("nextMarker"):
                break
            request["marker"] = page["nextMarker"]
        with ThreadPoolExecutor(_PARALLEL_CALLS) as pool:
            answers = [each for each in pool.map(self._describe, ids) if each is not None]
        found = []
        for answer in answers:
            description = answer["certificateDescription"]
            try:
                held = pem.parse(pem.read(description["certificatePem"]))
            except Failure:
                continue  # registered long ago, under other rules
            if held.subject == subject:
                until = f"{held.not_valid_after_utc:%Y-%m-%d}"
                found.append((until, description["certificateId"], description["status"]))
        return [f"{each} ({status}, valid until {until})" for until, each, status in sorted(found)]

    def _arn(self, resource: str) -> str:
        where = f"{self.account.partition}:iot:{self.target.region}:{self.target.account_id}"
        return f"arn:{where}:{resource}"

    def _put_together(
        self,
        certificate_id: str,
        answer: Mapping[str, Any] | None,
        tagged: Future[dict[str, str] | None],
    ) -> ObservedCa | None:
        if answer is None:
            return None
        self._check_answer(answer, certificate_id)
        tags = tagged.result()
        if tags is None:
            # Somebody registered it between the two calls, or they have not caught up yet.
            tags = self._tags(self.arn(certificate_id))
            if tags is None and self._describe(certificate_id) is None:
                # Or somebody is changing its mode and has deleted it: its tags were not none.
                return None
        with self.account.failures():
            return _observed(answer, tags)

    def _describe(self, certificate_id: str) -> dict[str, Any] | None:
        with self.account.failures():
            try:
                answer: dict[str, Any] = self._iot.describe_ca_certificate(
                    certificateId=certificate_id
                )
            except self._iot.exceptions.ResourceNotFoundException:
                return None
        return answer

    def _tags(self, arn: str) -> dict[str, str] | None:
        tags: dict[str, str] = {}
        request = {"resourceArn": arn}
        # Not botocore's paginator: loading it would take longer than the call.
        while True:
            with self.account.failures():
                try:
                    page = self._iot.list_tags_for_resource(**request)
                except self._iot.exceptions.ResourceNotFoundException:
                    return None
                tags.update((tag["Key"], tag.get("Value", "")) for tag in page["tags"])
            if not page.get("nextToken"):
                return tags
            request["nextToken"] = page["nextToken"]

    def _check_answer(self, answer: Mapping[str, Any], certificate_id: str) -> None:
        with self.account.failures():
            description = answer["certificateDescription"]
            account = description["certificateArn"].split(":")[4]
            answered = description["certificateId"]
        self.account.require_account(account)
        _refuse_other_id(answered, certificate_id)


def _memory_name(certificate_id: str) -> str:
    return f"iot-ca-mode-change-{certificate_id}"


def _attributes_of(memory: Snapshot) -> dict[str, str]:
    """A memory as attributes of a thing group: 50 of 800 letters, digits and `_.,@/:#-` at most.

    Raises Failure for one that is larger, which takes dozens of tags at their longest.
    """
    text = json.dumps(asdict(memory), sort_keys=True)
    packed = base64.urlsafe_b64encode(zlib.compress(text.encode())).decode().rstrip("=")
    starts = range(0, len(packed), _ATTRIBUTE)
    if len(starts) > _ATTRIBUTES:
        raise Failure(
            "its tags and template body are more than can be kept while the mode is changed; "
            "shorten its tags"
        )
    return {f"{start:05}": packed[start : start + _ATTRIBUTE] for start in starts}


def _memory_in(attributes: Mapping[str, str]) -> Snapshot:
    packed = "".join(attributes[name] for name in sorted(attributes))
    text = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
    return Snapshot(**json.loads(text))


def _observed(answer: Mapping[str, Any], tags: dict[str, str] | None) -> ObservedCa:
    description = answer["certificateDescription"]
    config = answer.get("registrationConfig") or {}
    return ObservedCa(
        # Registrations older than the modes carry none and behave as DEFAULT always did.
        mode=description.get("certificateMode") or "DEFAULT",
        status=description["status"],
        auto_registration=description.get("autoRegistrationStatus") == "ENABLE",
        registration_config={key: value for key, value in config.items() if value},
        tags=tags or {},
        tags_are_known=tags is not None,
        validity=_validity(description.get("validity") or {}),
    )


def _validity(validity: Mapping[str, datetime]) -> tuple[datetime, datetime] | None:
    if "notBefore" not in validity or "notAfter" not in validity:
        return None
    return (
        validity["notBefore"].astimezone(timezone.utc),
        validity["notAfter"].astimezone(timezone.utc),
    )


def _aws_tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def _refuse_other_id(answered: str, certificate_id: str) -> None:
    if answered != certificate_id:
        raise Failure(
            f"AWS IoT answers certificate ID {answered} where {certificate_id} (SHA-256 of the "
            "DER) was expected; stopped, please report this to the module's maintainers"
        )
