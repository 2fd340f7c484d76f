"""Rows of a report on a fleet, and the CA that they are about."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from iot_ca import model
from iot_ca.certificates import pem as pem_text
from iot_ca.fleet.inventory import ConfiguredCa
from iot_ca.fleet.report import Provisioning, Report, Row, UnlistedRow
from iot_ca.model import DesiredCa, ObservedCa
from iot_ca.provisioning.facts import DeviceCertificates
from tests.support.certificates import NOW, pem
from tests.support.status.variable_files import ROOT

CERTIFICATE = pem_text.read(pem(ROOT))
TAGS = {model.ORIGIN_TAG: "registered", model.OWNER_TAG: "me", model.REVISION_TAG: "register 1"}
# ROOT in AWS as `configured()` configures it.
IN_SYNC = ObservedCa("SNI_ONLY", "ACTIVE", True, tags=TAGS)


def configured(**more: Any) -> ConfiguredCa:
    """ROOT as a file configures it."""
    desired = DesiredCa(CERTIFICATE.pem, **more)
    return ConfiguredCa(desired, "template_name" in more, "auto_registration" in more)


def a_row(**more: Any) -> Row:
    """A row of a CA in sync, but for `more`."""
    row = Row(
        account="production",
        account_id="111111111111",
        region="eu-west-1",
        ca="root",
        certificate_id="ab" * 32,
        state="in sync",
        wrong=(),
        wanted_mode="SNI_ONLY",
        wanted_status="ACTIVE",
        not_after=NOW + timedelta(days=400, hours=1),
        days=400,
        registered=True,
        mode="SNI_ONLY",
        status="ACTIVE",
        auto_registration=True,
        template="factory",
        managed="registered",
        revision="register 1",
        provisioning=Provisioning("JITP", "factory"),
        devices=DeviceCertificates(12, 3),
    )
    return replace(row, **more)


def an_unlisted_row(**more: Any) -> UnlistedRow:
    """A CA that no file names, but for `more`."""
    row = UnlistedRow(
        account="production",
        account_id="111111111111",
        region="eu-west-1",
        certificate_id="cd" * 32,
        status="ACTIVE",
        subject="CN=former",
        mode="DEFAULT",
        not_after=NOW + timedelta(days=30, hours=1),
        days=30,
        devices=DeviceCertificates(1000, 0, more=True),
    )
    return replace(row, **more)


def a_report(*rows: Row, **more: Any) -> Report:
    """A report of these rows."""
    return Report(rows, NOW, **more)
