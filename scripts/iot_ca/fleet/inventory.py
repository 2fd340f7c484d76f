"""The accounts, Regions and CAs of a fleet, from the files that Terraform reads them from.

Files go in and frozen dataclasses come out, without a call to AWS. As in any `.tfvars` file, only
values are read: an expression in a variable that is needed is an error. Attributes that are not
settings belong to the user's configuration; they are listed and otherwise ignored.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.fleet import ca_files, settings, variable_files
from iot_ca.fleet.layers import Layer, require_object
from iot_ca.model import CertificateMode, Credentials, DesiredCa, Status, Target
from iot_ca.provisioning.checks.ca import Wanted

_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
# In a message.
_MAX_NAMES = 10
JITP: Wanted = "JITP"
_NOT_PROVISIONED: Wanted = "NONE"


@dataclass(frozen=True)
class ConfiguredCa:
    """One CA as the files configure it for one account and Region.

    Attributes:
        desired: the settings; those that the files leave out have the root module's defaults.
        template_configured: whether the files say which template the CA has, or that it has none.
            If not, a CA with any template is in sync.
        auto_registration_configured: whether the files say it, or how devices are provisioned, on
            which the root module's default depends.
        provisioning: how devices are provisioned (`JITP`, `JITR` or `NONE`); None if the files do
            not say it.
    """

    desired: DesiredCa
    template_configured: bool
    auto_registration_configured: bool
    provisioning: Wanted | None = None

    @property
    def wanted(self) -> Wanted | None:
        """How devices are provisioned; None if the files do not say it in any form.

        A CA without auto-registration provisions none.
        """
        if self.provisioning is None and self.auto_registration_configured:
            return None if self.desired.auto_registration else "NONE"
        return self.provisioning


@dataclass(frozen=True, eq=False)
class AccountRegion:
    """One account in one Region, and the CAs that should be registered there, by name.

    `account_name` is the account's name in the files. Compared by identity, so that it can be the
    key of a dictionary.
    """

    account_name: str
    target: Target
    cas: Mapping[str, ConfiguredCa]

    @property
    def key(self) -> tuple[str, str]:
        """The account's ID and the Region, which are the same for several names of an account."""
        return self.target.account_id, self.target.region


@dataclass(frozen=True)
class Fleet:
    """All accounts and Regions in the order of the files, and the CAs' certificates by name.

    `unknown_attributes` are those that are not settings, each once, with the kind of its object.
    `left_out` are accounts that were not chosen: one may have a second name that was.
    """

    account_regions: tuple[AccountRegion, ...]
    certificates: Mapping[str, Certificate]
    unknown_attributes: tuple[str, ...] = ()
    left_out: tuple[AccountRegion, ...] = ()


@dataclass(frozen=True)
class _Defaults:
    """What applies to every account unless its own settings say otherwise.

    Attributes:
        ca_settings: the settings of the files' `certificate_authorities`, by name.
        certificates: of all CAs, by name.
        regions: the Regions that the files or the command line name, with their settings.
        strict: whether an account that names a CA without a certificate is an error. With `--ca`
            the files may name more CAs than the command line.
    """

    ca_settings: Mapping[str, Any]
    certificates: Mapping[str, Certificate]
    regions: Mapping[str, Mapping[str, Any]]
    strict: bool


def read(
    paths: Sequence[Path],
    cas: Sequence[str] = (),
    regions: Sequence[str] = (),
    *,
    needs_cas: bool = True,
) -> Fleet:
    """Return the fleet that the files describe.

    Args:
        paths: `.tfvars`, `.hcl` or `.tfvars.json` files. A variable of a later file replaces that
            of an earlier one, as in Terraform.
        cas: `NAME=FILE` each, instead of the CAs that the files name.
        regions: those of an account if neither the account nor the files name any.
        needs_cas: whether files that name no CA are an error.

    Raises Failure for the first error.
    """
    variables: dict[str, Any] = {}
    for path in paths:
        variables.update(variable_files.load(path))
    unknown = settings.unknown_attributes(variables)
    folders = [path.parent for path in reversed(paths)]
    ca_settings = ca_files.ca_settings(variables)
    certificates = (
        ca_files.from_options(cas) if cas else ca_files.from_variables(variables, folders)
    )
    if needs_cas and not certificates:
        raise Failure(
            "no CA is named; give --ca NAME=FILE.pem, or certificate_file or "
            "certificate_authorities in the file"
        )
    ca_files.require_distinct(certificates)
    accounts = require_object(variables.get("accounts"), "accounts")
    if not accounts:
        raise Failure("the file names no accounts; it needs a map `accounts`, each with account_id")
    default_regions = _regions(Layer(variables, "the file")) or {name: {} for name in regions}
    defaults = _Defaults(ca_settings, certificates, default_regions, strict=not cas)
    account_regions = tuple(
        account_region
        for name, value in accounts.items()
        for account_region in _account_regions(name, value, defaults)
    )
    return Fleet(account_regions, certificates, unknown)


def choose(fleet: Fleet, names: Sequence[str]) -> Fleet:
    """Return the accounts of these names alone; all if there are no names.

    Raises Failure for a name that the files do not have.
    """
    known = list(
        dict.fromkeys(account_region.account_name for account_region in fleet.account_regions)
    )
    for name in names:
        if name not in known:
            more = f" and {len(known) - _MAX_NAMES} more" if len(known) > _MAX_NAMES else ""
            raise Failure(
                f"--account: the file has no account {name}; it has "
                f"{', '.join(known[:_MAX_NAMES])}{more}"
            )
    chosen: list[AccountRegion] = []
    left_out: list[AccountRegion] = []
    for account_region in fleet.account_regions:
        is_chosen = not names or account_region.account_name in names
        (chosen if is_chosen else left_out).append(account_region)
    return replace(fleet, account_regions=tuple(chosen), left_out=tuple(left_out))


def notes(fleet: Fleet) -> list[str]:
    """Return remarks on the files for the reader of a report; none changes the exit status."""
    unknown = ", ".join(fleet.unknown_attributes)
    ignored = [f"left alone, for status has no such setting: {unknown}"] if unknown else []
    return contradictions(fleet) + duplicates(fleet) + ignored


def contradictions(fleet: Fleet) -> list[str]:
    """Describe each CA that several accounts of a Region want in DEFAULT mode; AWS allows one."""
    # The names by account ID: an account that has two names is one account.
    accounts: dict[tuple[str, str], dict[str, str]] = {}
    for account_region in fleet.account_regions:
        target = account_region.target
        for name, ca in account_region.cas.items():
            if ca.desired.certificate_mode == "DEFAULT":
                names = accounts.setdefault((name, target.region), {})
                names.setdefault(target.account_id, account_region.account_name)
    return [
        f"{', '.join(names.values())} all want {ca} in DEFAULT mode in {region}, and only one "
        "account of a region may hold it so"
        for (ca, region), names in accounts.items()
        if len(names) > 1
    ]


def duplicates(fleet: Fleet) -> list[str]:
    """Describe each account that several names of the files look up in the same Region."""
    names: dict[tuple[str, str], list[str]] = {}
    for account_region in fleet.account_regions:
        key = (account_region.target.account_id, account_region.target.region)
        names.setdefault(key, []).append(account_region.account_name)
    regions: dict[tuple[str, ...], list[str]] = {}
    for (account_id, region), account_names in names.items():
        if len(account_names) > 1:
            regions.setdefault((account_id, *account_names), []).append(region)
    return [
        f"{', '.join(account_names)} are the same account {account_id} in "
        f"{', '.join(account_regions)}, whose CAs are reported once for each name"
        for (account_id, *account_names), account_regions in regions.items()
    ]


def _account_regions(name: str, value: Any, defaults: _Defaults) -> Iterator[AccountRegion]:
    """Yield each Region of one account of the map `accounts`."""
    path = f"accounts[{json.dumps(name)}]"
    account = Layer(require_object(value, path), path)
    account_id = account.text("account_id")
    if account_id is None or not _ACCOUNT_ID.fullmatch(account_id):
        raise Failure(f"{path}.account_id must be twelve digits, in quotes")
    credentials = Credentials(
        *(account.text(key) for key in ("profile", "role_arn", "external_id", "session_name"))
    )
    regions = _regions(account) or defaults.regions
    if not regions:
        raise Failure(f"{path} has no region; set region or regions there, or give --region")
    for region, value_there in regions.items():
        region_path = f"{path}.regions[{json.dumps(region)}]"
        if not _REGION.fullmatch(region):
            raise Failure(f"{region_path} is not an AWS region")
        layer = Layer(require_object(value_there, region_path), region_path)
        target = Target(account_id, region, credentials)
        yield AccountRegion(name, target, _configured_cas(layer, account, defaults))


def _regions(layer: Layer) -> dict[str, Mapping[str, Any]]:
    """Return `region`, or `regions` with the settings of each, by name; empty without both."""
    region = layer.text("region")
    if layer.settings.get("regions") is None:
        return {} if region is None else {region: {}}
    if region is not None:
        raise Failure(f"{layer.path} has both region and regions; keep one")
    return {name: require_object(value, name) for name, value in layer.by_name("regions").items()}


def _configured_cas(region: Layer, account: Layer, defaults: _Defaults) -> dict[str, ConfiguredCa]:
    """Return the CAs of one account and Region: those that it names, else all of the fleet."""
    certificates = defaults.certificates
    everywhere = {name: Layer({}, "") for name in certificates}
    named = _named_cas(region) or _named_cas(account) or everywhere
    unknown = sorted(named.keys() - certificates.keys())
    if unknown and defaults.strict:
        raise Failure(f"{account.path} names the CA {unknown[0]}, which the file does not have")
    cas = {}
    for name, certificate in certificates.items():
        if name in named:
            general = Layer(
                require_object(defaults.ca_settings.get(name), "certificate_authorities"),
                f"certificate_authorities[{json.dumps(name)}]",
            )
            cas[name] = _configured_ca(name, certificate, [named[name], region, account, general])
    return cas


def _named_cas(layer: Layer) -> dict[str, Layer]:
    """Return the CAs that a layer names, with their settings there; empty if it names none."""
    if layer.settings.get("certificate_authorities") is None:
        return {}
    path = f"{layer.path}.certificate_authorities"
    return {
        name: Layer(require_object(value, path), f"{path}[{json.dumps(name)}]")
        for name, value in layer.by_name("certificate_authorities").items()
    }


def _configured_ca(name: str, certificate: Certificate, layers: Sequence[Layer]) -> ConfiguredCa:
    """Take each setting from the first layer that has it, else the root module's default."""
    default = DesiredCa(certificate.pem)
    mode: CertificateMode = default.certificate_mode
    status: Status = default.status
    kind: Wanted = _NOT_PROVISIONED
    template, template_configured = default.template_name, False
    auto_registration: bool | None = None
    provisioned: bool | None = None
    provisioned_by: Wanted | None = None
    for layer in reversed(layers):
        mode = layer.choice("certificate_mode", get_args(CertificateMode), mode)
        status = layer.choice("status", get_args(Status), status)
        auto_registration = layer.flag("auto_registration", auto_registration)
        provisioning = layer.object("provisioning")
        if provisioning.settings:
            kind = provisioning.choice("type", get_args(Wanted), kind)
            jitp_template = provisioning.text("template_name") or name
            template, template_configured = (jitp_template if kind == JITP else None), True
            provisioned, provisioned_by = kind != _NOT_PROVISIONED, kind
        if layer.settings.get("template_name") is not None:
            # An empty name means that the CA must not have a template: JITR or NONE.
            template, template_configured = layer.text("template_name") or None, True
            provisioned = True if template else provisioned
            if template or provisioned_by == JITP:
                provisioned_by = JITP if template else None
    configured = auto_registration if auto_registration is not None else provisioned
    desired = DesiredCa(certificate.pem, mode, status, bool(configured), template)
    return ConfiguredCa(desired, template_configured, configured is not None, provisioned_by)
