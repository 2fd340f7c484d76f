"""`python -m tests.support.aws_contract.wrong_sandbox`: a sandbox that is wrong in three places.

It takes the arguments of `python -m sandbox`. Each fault contradicts one assumption, which FAULTS
names by its test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from sandbox.__main__ import main
from sandbox.devices import admission
from sandbox.iot import ca_certificates as ca

Delete = Callable[[ca.CaStore, str], None]
Register = Callable[
    [ca.CaRegistration, ca.CaStore, Iterable[ca.CaStore], datetime], ca.CACertificate
]
Known = Callable[[str, admission.KnownDevice], admission.Admission]

FAULTS = (
    "An `ACTIVE` CA can't be deleted",
    "One account at most has a CA in `DEFAULT` mode in a Region",
    "The event is published again whenever a device presents a certificate",
)


def _deletes_active_cas(delete: Delete) -> Delete:
    def wrong(store: ca.CaStore, certificate_id: str) -> None:
        ca.find(store, certificate_id).status = "INACTIVE"
        delete(store, certificate_id)

    return wrong


def _knows_no_other_account(register: Register) -> Register:
    def wrong(
        wanted: ca.CaRegistration, here: ca.CaStore, _: Iterable[ca.CaStore], now: datetime
    ) -> ca.CACertificate:
        return register(wanted, here, [here], now)

    return wrong


def _publishes_once(known: Known) -> Known:
    def wrong(account: str, device: admission.KnownDevice) -> admission.Admission:
        try:
            return known(account, device)
        except admission.RefusedPending as refused:
            raise admission.Refused(refused.reason, refused.account) from None

    return wrong


if __name__ == "__main__":
    setattr(ca, "delete", _deletes_active_cas(ca.delete))  # noqa: B010 - mypy knows a function
    setattr(ca, "register", _knows_no_other_account(ca.register))  # noqa: B010
    setattr(admission, "_known", _publishes_once(getattr(admission, "_known")))  # noqa: B009, B010
    main()
