"""moto's AWS Organizations, with its rules on who may read an organization, and on pages.

Sources, named where a rule is enforced:
  API ref.  AWS Organizations API reference, and botocore's model made with it
"""

from __future__ import annotations

from typing import Any

from moto.core.common_types import TYPE_RESPONSE
from moto.organizations.models import OrganizationsBackend as MotoOrganizationsBackend
from moto.organizations.models import organizations_backends
from moto.organizations.responses import OrganizationsResponse

from sandbox.errors import AWSError, encode_error
from sandbox.keys.json_operations import not_here, validation
from sandbox.moto_service import ServedBackend

MOST_ON_A_PAGE = 20  # API ref.: MaxResults, "If you don't specify a value, the default is 20"
PAGED = frozenset({"ListAccounts", "ListAccountsForParent", "ListOrganizationalUnitsForParent"})
READS = PAGED | {"ListRoots", "ListTagsForResource"}
SUPPORTED = READS | {
    "CloseAccount",
    "CreateAccount",
    "CreateOrganization",
    "CreateOrganizationalUnit",
    "DescribeOrganization",
    "MoveAccount",
    "RegisterDelegatedAdministrator",
    "TagResource",
    "UntagResource",
}


def organization_of(account: str) -> MotoOrganizationsBackend | None:
    """Return the backend of the management account of the account's organization, if it has one."""
    management, partition = organizations_backends.master_accounts.get(account, (account, "aws"))
    backend: MotoOrganizationsBackend = organizations_backends[management][partition]
    return backend if backend.org is not None else None


class OrganizationsOperations(OrganizationsResponse):
    """The operations that exist here; every read passes the rule of who may read."""

    def call_action(self) -> TYPE_RESPONSE:
        """Run the operation; a refusal becomes the JSON in which AWS sends it."""
        try:
            operation = self._get_action()
            if operation not in SUPPORTED:
                raise not_here(operation)
            if operation in READS:
                self.current_account = _reads_for(self.current_account)
            if operation in PAGED and not 1 <= self._get_param("MaxResults") <= MOST_ON_A_PAGE:
                raise validation("Value at 'maxResults' must be between 1 and 20")
            return super().call_action()
        except AWSError as error:
            return encode_error(error, "json")

    def _get_param(self, param_name: str, if_none: Any = None) -> Any:
        """Return a parameter; the page of a listing has AWS's size by default, not moto's."""
        usual = MOST_ON_A_PAGE if param_name == "MaxResults" else if_none
        return super()._get_param(param_name, usual)


def _reads_for(account: str) -> str:
    """Return the management account of the organization that an account may read.

    API ref.: "This operation can be called only from the organization's management account or by
    a member account that is a delegated administrator."
    """
    backend = organization_of(account)
    if backend is None:
        message = "Your account is not a member of an organization."
        raise AWSError("AWSOrganizationsNotInUseException", message)
    delegated = {admin.account.id for admin in backend.admins}
    if account != backend.account_id and account not in delegated:
        message = "You don't have permissions to access this resource."
        raise AWSError("AccessDeniedException", message)
    return str(backend.account_id)


class OrganizationsBackend(ServedBackend, MotoOrganizationsBackend):
    """moto's Organizations backend."""

    operations = OrganizationsOperations


def install() -> None:
    """Make moto use this module's Organizations."""
    organizations_backends.backend = OrganizationsBackend
