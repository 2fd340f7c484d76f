"""The accounts file that `iot_ca inventory` writes, and the jobs of a workflow for its accounts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trouble import Trouble

STAGES = ("development", "staging", "production")
# The variable of examples/workspaces has the same default.
DEFAULT_REGION = "eu-west-1"
# GitHub Actions reference, "Workflow syntax", jobs.<job_id>.strategy.matrix.
MATRIX_LIMIT = 256
# AWS reference, "Partitions". Regions of all others are in `aws`.
PARTITIONS = {"cn-": "aws-cn", "us-gov-": "aws-us-gov", "eusc-": "aws-eusc"}


@dataclass(frozen=True, eq=False)
class Account:
    """One account; `settings` is its entry in the accounts file."""

    name: str
    account_id: str
    region: str
    stage: str
    settings: Mapping[str, Any]

    @property
    def partition(self) -> str:
        """Return the partition of the account's ARNs."""
        found = (name for start, name in PARTITIONS.items() if self.region.startswith(start))
        return next(found, "aws")


def read_accounts(path: Path) -> dict[str, Account]:
    """Return the accounts of a .tfvars.json file by name. Raise Trouble for an unusable file."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))["accounts"]
        accounts = {name: _account(name, entry) for name, entry in entries.items()}
    except OSError as error:
        raise Trouble(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise Trouble(f"{path} needs a map `accounts`, each with account_id") from None
    if not accounts:
        raise Trouble(f"{path} names no accounts")
    return accounts


def _account(name: str, entry: Mapping[str, Any]) -> Account:
    where = f"accounts[{json.dumps(name)}]"
    account_id, stage = entry.get("account_id"), entry.get("environment")
    # A name is part of paths, and that of a workspace.
    if not re.fullmatch(r"[\w-]+", name, re.ASCII):
        raise Trouble(f"account {json.dumps(name)}: only letters, digits, - and _ are usable")
    if not isinstance(account_id, str) or not re.fullmatch("[0-9]{12}", account_id):
        raise Trouble(f"{where} needs account_id: twelve digits, in quotes")
    if stage not in STAGES:
        raise Trouble(f"{where} needs environment: {', '.join(STAGES)}")
    if entry.get("regions"):
        # The variable of examples/workspaces would drop them, and apply in its default Region.
        raise Trouble(f"{where} has regions; a workspace needs one region")
    region = entry.get("region") or DEFAULT_REGION
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+-[0-9]+", region):
        raise Trouble(f"{where} has a region that is not one of AWS")
    return Account(name, account_id, region, stage, entry)


def matrix(accounts: Sequence[Account]) -> str:
    """Return the accounts for the matrix of a workflow, as one line of JSON."""
    if len(accounts) > MATRIX_LIMIT:
        raise Trouble(f"{len(accounts)} accounts, and GitHub takes {MATRIX_LIMIT}; split the file")
    names = ("name", "account_id", "region", "partition")
    return json.dumps([{name: getattr(account, name) for name in names} for account in accounts])


def by_stage(accounts: Iterable[Account]) -> list[Account]:
    """Return the accounts in the order in which they are applied."""
    return sorted(accounts, key=lambda account: STAGES.index(account.stage))
