"""`diagnose`: the command that says why a device is not let in. Read-only."""

from __future__ import annotations

import argparse
import gc
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from iot_ca import utc
from iot_ca.certificates import pem
from iot_ca.diagnosis import render
from iot_ca.diagnosis.device_files import read_device
from iot_ca.diagnosis.facts import Device, WantedCa
from iot_ca.diagnosis.report import Diagnosis, exit_status
from iot_ca.diagnosis.steps.order import diagnose, failed
from iot_ca.errors import Failure, one_line
from iot_ca.fleet import inventory
from iot_ca.fleet.interruption import end_interrupted
from iot_ca.fleet.inventory import AccountRegion, ConfiguredCa
from iot_ca.isolation import result_or_failure
from iot_ca.model import Credentials, Target
from iot_ca.streams import standard_output

if TYPE_CHECKING:
    from iot_ca.fleet.clients import CallerIdentity, Clients

_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
# Accounts and Regions at once; each makes up to ten calls at once.
_MAX_PARALLEL = 6


def run(argv: Sequence[str]) -> int:
    """Diagnose the device in each account, print the result and return the exit status.

    Ends the process if it is interrupted from the keyboard.

    Raises Failure for a wrong option, an unusable file, or a standard output that can't be written.
    """
    try:
        return _run(argv)
    except KeyboardInterrupt:
        end_interrupted("diagnose")


def _run(argv: Sequence[str]) -> int:
    options = _options(argv)
    device = read_device(
        options.certificate,
        options.chain,
        options.client_id,
        sends_server_name=not options.no_sni,
    )
    account_regions = _account_regions(options)
    # The entry point turns it off for the other commands, which end before garbage matters.
    gc.enable()
    diagnoses = _diagnose_all(device, account_regions)
    with standard_output(may_be_cut=True) as stdout:
        if options.json:
            print(render.as_json(diagnoses), file=stdout)
        else:
            print(render.as_text(diagnoses, stdout.encoding or "utf-8"), file=stdout)
    return exit_status(diagnoses)


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are Failures, with exit status 1: argparse's own 2 means refused."""

    def error(self, message: str) -> NoReturn:
        raise Failure(f"diagnose: {message}; see iot_ca diagnose --help")


def _options(argv: Sequence[str]) -> argparse.Namespace:
    parser = _Parser(
        prog="iot_ca diagnose",
        description="Says whether AWS IoT lets a device in, and if not, why and what to do. "
        "Reads only, and needs no private key.",
        usage="%(prog)s --certificate FILE [options] ACCOUNTS_FILE [--account NAME ...]\n"
        "       %(prog)s --certificate FILE [options] --region REGION [--profile P] [--role-arn A "
        "[--external-id ID]]",
        epilog="Exit status: 1 if an account could not be determined, else 2 if one refuses "
        "the device, else 0.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("files", nargs="*", type=Path, metavar="ACCOUNTS_FILE", help="as for status")
    add("--account", action="append", default=[], metavar="NAME", help="only this one; repeatable")
    add("--certificate", type=Path, required=True, metavar="FILE", help="of the device, in PEM")
    add("--chain", type=Path, metavar="FILE", help="what the device sends behind it; CA first")
    add("--client-id", metavar="ID", help="MQTT client ID; default: the name of the thing")
    add("--no-sni", action="store_true", help="the device sends no server name")
    add("--region", action="append", default=[], metavar="REGION",
        help="Region of the accounts in the file that name none; without a file: of the account "
        "of the credentials; repeatable")  # fmt: skip
    add("--profile", metavar="NAME", help="without a file: the profile of the credentials")
    add("--role-arn", metavar="ARN", help="without a file: the role to assume")
    add("--external-id", metavar="ID", help="with --role-arn: the external ID that it requires")
    add("--json", action="store_true", help="print JSON")
    options = parser.parse_args(argv)
    if not options.files and not options.region:
        parser.error("give ACCOUNTS_FILE, or --region for the account of your credentials")
    if options.files and (options.profile or options.role_arn or options.external_id):
        parser.error("--profile, --role-arn and --external-id go without a file, which has its own")
    if options.external_id and not options.role_arn:
        parser.error("--external-id goes with --role-arn")
    if options.account and not options.files:
        parser.error("--account goes with ACCOUNTS_FILE")
    for region in options.region:
        if not _REGION.fullmatch(region):
            parser.error(f"{region} is not an AWS region")
    return options


def _account_regions(options: argparse.Namespace) -> list[AccountRegion]:
    """Return the accounts to diagnose; without a file, that has neither name nor ID yet."""
    if not options.files:
        credentials = Credentials(options.profile, options.role_arn, options.external_id)
        return [
            AccountRegion("", Target("", region, credentials), {})
            for region in dict.fromkeys(options.region)
        ]
    fleet = inventory.read(options.files, regions=options.region, needs_cas=False)
    return list(inventory.choose(fleet, options.account).account_regions)


def _wanted(cas: Iterable[ConfiguredCa]) -> dict[str, WantedCa]:
    """Return what the file says of each CA, by certificate ID."""
    return {
        pem.read(ca.desired.certificate_pem).certificate_id: WantedCa(
            ca.desired.status,
            ca.desired.auto_registration if ca.auto_registration_configured else None,
        )
        for ca in cas
    }


def _diagnose_all(device: Device, account_regions: Sequence[AccountRegion]) -> list[Diagnosis]:
    """Diagnose all accounts in parallel; the result has their order."""
    # Imported here: botocore takes longer to load than --help or a wrong file needs.
    from iot_ca.fleet.clients import Clients
    from iot_ca.fleet.lookup import by_account, thread_pool

    clients = Clients(_MAX_PARALLEL * 10)
    groups = by_account(account_regions)
    results: dict[AccountRegion, Diagnosis] = {}
    with thread_pool(min(_MAX_PARALLEL, len(groups)), "diagnose") as pool:
        for group in pool.map(
            lambda group: list(_diagnose_account(device, group, clients)), groups
        ):
            results.update(group)
    return [results[account_region] for account_region in account_regions]


def _diagnose_account(
    device: Device, account_regions: list[AccountRegion], clients: Clients
) -> Iterator[tuple[AccountRegion, Diagnosis]]:
    """Diagnose the Regions of one account, one after the other."""
    from iot_ca.fleet.clients import sign_in
    from iot_ca.fleet.lookup import sign_in_to_account

    target = account_regions[0].target
    identity = (
        sign_in_to_account(account_regions, clients)
        if target.account_id
        else result_or_failure(lambda: sign_in(target, (), clients))
    )
    for account_region in account_regions:
        yield account_region, _diagnose_region(device, account_region, clients, identity)


def _diagnose_region(
    device: Device,
    account_region: AccountRegion,
    clients: Clients,
    identity: CallerIdentity | Failure,
) -> Diagnosis:
    from iot_ca.diagnosis.observe.account import observe
    from iot_ca.fleet.clients import FleetAccount

    name, region = account_region.account_name, account_region.target.region
    if isinstance(identity, Failure):
        return failed(name, account_region.target.account_id, region, one_line(str(identity)))
    account_id = identity.account_id
    target = Target(account_id, region, account_region.target.credentials)
    account = FleetAccount(target, clients, identity)
    wanted = _wanted(account_region.cas.values())
    diagnosis = result_or_failure(
        lambda: diagnose(
            name or account_id,
            device,
            replace(observe(account, device, utc.now()), wanted=wanted),
        )
    )
    if isinstance(diagnosis, Failure):
        return failed(name or account_id, account_id, region, one_line(str(diagnosis)))
    return diagnosis
