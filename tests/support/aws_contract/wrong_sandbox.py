"""`python -m tests.support.aws_contract.wrong_sandbox`: a sandbox that is wrong in three places.

It takes the arguments of `python -m sandbox`. Each fault contradicts one assumption, which FAULTS
names by its beginning. One of them shows late, since JITP takes its time here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from cryptography import x509

from sandbox.__main__ import main
from sandbox.devices import admission, jitp
from sandbox.iot import ca_certificates as ca
from sandbox.iot.delays import Delays

Parameters = Callable[[x509.Certificate, str], dict[str, str]]
Register = Callable[
    [ca.CaRegistration, ca.CaStore, Iterable[ca.CaStore], datetime], ca.CACertificate
]
Known = Callable[[str, admission.KnownDevice], admission.Admission]

# Longer than a run with the patience for a sandbox waits without a control.
PROVISIONING_SECONDS = 0.25
FAULTS = (
    "One account at most has a CA in `DEFAULT` mode in a Region",
    "A device whose certificate lacks a parameter of the template is registered, not provisioned",
    "The event is published again whenever a device presents a certificate",
)


def _knows_a_country(parameters_of: Parameters) -> Parameters:
    def wrong(certificate: x509.Certificate, certificate_id: str) -> dict[str, str]:
        return {f"{jitp.PREFIX}Country": "DE", **parameters_of(certificate, certificate_id)}

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
    setattr(ca, "register", _knows_no_other_account(ca.register))  # noqa: B010 - mypy knows a function
    setattr(jitp, "parameters_of", _knows_a_country(jitp.parameters_of))  # noqa: B010
    setattr(admission, "_known", _publishes_once(getattr(admission, "_known")))  # noqa: B009, B010
    Delays.provisioning = PROVISIONING_SECONDS
    main()
