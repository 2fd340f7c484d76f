"""The accounts file that `inventory` writes: the accounts of an organization, and what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iot_ca.errors import Failure
from iot_ca.fleet.layers import require_object
from iot_ca.fleet.organization import MemberAccount
from iot_ca.fleet.variable_files import read_text

# A name is that of a workspace too, which Terraform wants to be usable in a URL as it is.
_OTHER_CHARACTERS = re.compile(r"[^a-z0-9_]+")


@dataclass(frozen=True)
class NewEntry:
    """What an account gets that is new in the file, in addition to its ID.

    Attributes:
        role_name: role to assume in the account, with its path.
        regions: empty if the file or its readers name the Regions.
        environment: the stage of all accounts of this run; None if the run is not for one stage.
    """

    role_name: str
    regions: tuple[str, ...] = ()
    environment: str | None = None


@dataclass(frozen=True)
class Merged:
    """The variables of the new file, and the names of accounts that are new and gone."""

    variables: Mapping[str, Any]
    added: tuple[str, ...]
    removed: tuple[str, ...]


def read(path: Path) -> dict[str, Any]:
    """Return all variables of an existing file; empty if there is none.

    Raises Failure for a file that is not a JSON object.
    """
    if not path.exists():
        return {}
    try:
        return require_object(json.loads(read_text(path)), str(path))
    except (ValueError, RecursionError):
        raise Failure(f"{path} is not valid JSON; correct or remove the file") from None


def merge(
    variables: Mapping[str, Any], accounts: Sequence[MemberAccount], new_entry: NewEntry
) -> Merged:
    """Return the variables with these accounts.

    An account that the file has, by its ID and under any name, is kept as it is, and one that is
    not among `accounts` is removed. A run for one environment gives its accounts that environment
    if they have none, and removes only accounts of that environment: one run for each stage can
    write the same file.

    Raises Failure if `accounts` in the file is not a map of objects with account_id, and if two
    accounts would have the same name.
    """
    present = require_object(variables.get("accounts"), "accounts")
    ids = {name: _account_id(name, value) for name, value in present.items()}
    selected = {account.account_id for account in accounts}
    kept = {
        name: _with_environment(entry, new_entry) if ids[name] in selected else entry
        for name, entry in present.items()
        if ids[name] in selected or not _is_of_run(entry, new_entry)
    }
    new = [account for account in accounts if account.account_id not in ids.values()]
    added = {
        name: _entry(account, new_entry) for name, account in _named(new, set(present)).items()
    }
    removed = tuple(name for name in present if name not in kept)
    return Merged({**variables, "accounts": {**kept, **added}}, tuple(added), removed)


def render(variables: Mapping[str, Any]) -> str:
    """Return the text of the file."""
    return json.dumps(variables, indent=2, ensure_ascii=False) + "\n"


def _account_id(name: str, value: Any) -> str:
    path = f"accounts[{json.dumps(name)}]"
    account_id = require_object(value, path).get("account_id")
    if not isinstance(account_id, str):
        raise Failure(f"{path}.account_id must be twelve digits, in quotes")
    return account_id


def _is_of_run(entry: Mapping[str, Any], new_entry: NewEntry) -> bool:
    """Return whether this run decides if the account stays in the file."""
    environment = new_entry.environment
    return environment is None or entry.get("environment") == environment


def _with_environment(entry: Mapping[str, Any], new_entry: NewEntry) -> Mapping[str, Any]:
    if new_entry.environment is None or "environment" in entry:
        return entry
    return {**entry, "environment": new_entry.environment}


def _named(accounts: Sequence[MemberAccount], taken: set[str]) -> dict[str, MemberAccount]:
    """Return the accounts by the name that each gets in the file: with its ID if it is not unique.

    AWS Organizations allows several accounts with the same name, and a name that ends in the ID of
    another account. Raises Failure if a name with its ID is not unique either.
    """
    names = [
        _OTHER_CHARACTERS.sub("-", account.name.lower()).strip("-") or "account"
        for account in accounts
    ]
    named: dict[str, MemberAccount] = {}
    for plain, account in zip(names, accounts, strict=True):
        is_unique = names.count(plain) == 1 and plain not in taken
        name = plain if is_unique else f"{plain}-{account.account_id}"
        if name in named or name in taken:
            raise Failure(
                f"inventory: account {account.account_id} would get the name {json.dumps(name)}, "
                "which another account has; add it to the file under a name of your own"
            )
        named[name] = account
    return named


def _entry(account: MemberAccount, new_entry: NewEntry) -> dict[str, Any]:
    role_arn = f"arn:{account.partition}:iam::{account.account_id}:role/{new_entry.role_name}"
    entry: dict[str, Any] = {"account_id": account.account_id, "role_arn": role_arn}
    if new_entry.environment is not None:
        entry["environment"] = new_entry.environment
    if len(new_entry.regions) == 1:
        return {**entry, "region": new_entry.regions[0]}
    return {**entry, "regions": list(new_entry.regions)} if new_entry.regions else entry
