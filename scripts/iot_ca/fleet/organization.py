"""The accounts of an organization, as AWS Organizations lists them. Read-only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iot_ca.aws.pages import pages
from iot_ca.aws.session import Account
from iot_ca.errors import Failure

_SERVICE = "organizations"
_TOKEN = "NextToken"


@dataclass(frozen=True)
class MemberAccount:
    """One account of the organization.

    `is_active` is false for an account that is suspended, closed, or not yet in use.
    """

    account_id: str
    name: str
    partition: str
    is_active: bool


def list_accounts(
    reader: Account, units: Sequence[str], tags: Mapping[str, str]
) -> list[MemberAccount]:
    """Return the accounts in these organizational units that have all these tags, by account ID.

    Args:
        reader: the management account, or one that the organization has delegated to.
        units: IDs of organizational units or of the root; accounts in units below count too.
            Without one, all accounts of the organization.
        tags: the tags of the account itself; none is inherited from a unit.

    Raises Failure if the organization can't be read, or not whether its accounts are active.
    """
    client = reader.client(_SERVICE)
    with reader.failures(_SERVICE):
        documents = (
            [one for unit in units for one in _below(client, unit)]
            if units
            else list(_listed(client.list_accounts, {}, "Accounts"))
        )
        accounts = {one["Id"]: _member_account(one) for one in documents}
        return [
            accounts[account_id]
            for account_id in sorted(accounts)
            if not tags or tags.items() <= _tags(client, account_id).items()
        ]


def _below(client: Any, parent: str) -> Iterator[dict[str, Any]]:
    """Yield the accounts of a unit and of all units below."""
    request = {"ParentId": parent}
    yield from _listed(client.list_accounts_for_parent, request, "Accounts")
    members = "OrganizationalUnits"
    for unit in _listed(client.list_organizational_units_for_parent, request, members):
        yield from _below(client, unit["Id"])


def _listed(call: Any, request: dict[str, Any], member: str) -> Iterator[dict[str, Any]]:
    # A page may be empty and yet not the last (API reference, NextToken).
    for page in pages(call, request, _TOKEN, _TOKEN):
        yield from page[member]


def _member_account(document: Mapping[str, Any]) -> MemberAccount:
    # AWS retired `Status` on 2026-09-09 in favor of `State` (API reference, Account). botocore
    # drops an attribute that its version does not know.
    state = document.get("State") or document.get("Status")
    if state is None:
        raise Failure(
            "inventory: the installed boto3 is older than the accounts' attribute State, without "
            "which closed accounts can't be recognized; update boto3"
        )
    partition = document["Arn"].split(":")[1]
    return MemberAccount(document["Id"], document.get("Name", ""), partition, state == "ACTIVE")


def _tags(client: Any, account_id: str) -> dict[str, str]:
    tags = _listed(client.list_tags_for_resource, {"ResourceId": account_id}, "Tags")
    return {tag["Key"]: tag["Value"] for tag in tags}
