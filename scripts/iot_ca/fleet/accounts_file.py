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
    variables: Mapping[str, Any],
    accounts: Sequence[MemberAccount],
    role_name: str,
    regions: Sequence[str],
) -> Merged:
    """Return the variables with these accounts.

    An account that the file has, by its ID and under any name, is kept as it is; one that is not
    among `accounts` is left out. A new one gets its ID, the role, and the Regions if there are any.

    Raises Failure if `accounts` in the file is not a map of objects with account_id.
    """
    present = require_object(variables.get("accounts"), "accounts")
    ids = {name: _account_id(name, value) for name, value in present.items()}
    wanted = {account.account_id for account in accounts}
    kept = {name: value for name, value in present.items() if ids[name] in wanted}
    new = [account for account in accounts if account.account_id not in ids.values()]
    added = {
        name: _entry(account, role_name, regions)
        for name, account in _named(new, set(present)).items()
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


def _named(accounts: Sequence[MemberAccount], taken: set[str]) -> dict[str, MemberAccount]:
    """Return the accounts by the name that each gets in the file: with its ID if it is not unique.

    AWS Organizations allows several accounts with the same name.
    """
    names = [
        _OTHER_CHARACTERS.sub("-", account.name.lower()).strip("-") or "account"
        for account in accounts
    ]
    named = {}
    for name, account in zip(names, accounts, strict=True):
        is_unique = names.count(name) == 1 and name not in taken
        named[name if is_unique else f"{name}-{account.account_id}"] = account
    return named


def _entry(account: MemberAccount, role_name: str, regions: Sequence[str]) -> dict[str, Any]:
    role_arn = f"arn:{account.partition}:iam::{account.account_id}:role/{role_name}"
    entry: dict[str, Any] = {"account_id": account.account_id, "role_arn": role_arn}
    if len(regions) == 1:
        return {**entry, "region": regions[0]}
    return {**entry, "regions": list(regions)} if regions else entry
