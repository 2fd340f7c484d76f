"""What to do about each kind of finding, in words. Pure.

One step for all accounts that have the finding, so it names no account. The remedy for one account
and Region, as `diagnose` prints it, is in the JSON.
"""

from __future__ import annotations

from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.checks.registered_ca import AUTO_REGISTRATION, EXPIRY
from iot_ca.provisioning.checks.rule import PROVISION
from iot_ca.provisioning.topics import MODULE_PREFIX

REGISTER = "apply the module there: it registers the CA"
ADOPT = "apply the module there: it adopts the CA"
REPAIR = "apply the module there: it repairs the CA"
CHANGE_MODE = "set allow_mode_change = true for the CA and apply the module there"
RENEW = "register its successor under another name, then retire this CA"

ENABLE = "remove auto_registration = false of the CA and apply the module there"

DIAGNOSE = "run `diagnose` with the certificate of such a device if that does not pass"

_PERMISSIONS = "give the role the policy report_json of modules/iam-policies"
_ROLE_PERMISSIONS = (
    f"{_PERMISSIONS}; a role that the module did not create goes into jitp_role_arns"
)
_BY_HAND = "the module may not manage it: run its remedy, which is in the JSON, or correct it there"
_BOUNDARY = "let the permissions boundary allow it; the JSON has a command"
# How the names of what modules/jitp and modules/jitr create begin.
_MODULE_PREFIXES = ("iot-jitp-", "iot-jitr-", MODULE_PREFIX)

# By the check, what applying the module does.
_APPLY = {
    "template": "it creates the template",
    "template enabled": "it enables the template",
    "role": "it creates the role",
    "role trust": "it restores the role's trust policy",
    "role permissions": "it attaches the role's policy; remove a policy that denies",
    "template policy": "it creates the policy",
    "provisioned status": "it restores the template",
    "rule": "it creates the rule",
    "rule enabled": "it enables the rule",
    "function": "it creates the function",
    "function permission": "it lets the rule call the function",
    "function concurrency": "it restores the function's concurrency",
    "device policy": "it creates the policy",
    "function role": "it creates the function's role",
    "function role trust": "it restores the trust policy of the function's role",
    "function role permissions": "it restores the function's role; remove a policy that denies",
}


def of_difference(attribute: str) -> str:
    """Return the step for an attribute of a CA that has drifted."""
    return CHANGE_MODE if attribute == "mode" else REPAIR


def of_check(check: Check, template: str | None = None) -> str | None:
    """Return the step for a check that is not ok; None if its finding says what to do.

    `template` is the name of the template that the module creates for the CA.
    """
    if check.unreadable:
        if "may not call" not in check.finding:
            return None
        return _ROLE_PERMISSIONS if check.check == "role" else _PERMISSIONS
    if "permissions boundary" in check.finding:
        return _BOUNDARY
    if check.check == EXPIRY and "expired" in check.finding:
        return RENEW
    if check.check == AUTO_REGISTRATION:
        return ENABLE
    if check.check in _APPLY and check.remedy != PROVISION:
        if not _is_of_module(check, template):
            return _BY_HAND
        return f"apply the module there: {_APPLY[check.check]}"
    return check.remedy


def _is_of_module(check: Check, template: str | None) -> bool:
    """Return whether the module creates what a check is about, by its name; without one it will."""
    name = check.resource
    return name is None or name == template or name.startswith(_MODULE_PREFIXES)
