"""What to do about each kind of finding, in words. Pure.

One step for all accounts that have the finding, so it names no account. The remedy for one account
and Region, as `diagnose` prints it, is in the JSON.
"""

from __future__ import annotations

from iot_ca.provisioning.checks.check import Check
from iot_ca.provisioning.checks.registered_ca import AUTO_REGISTRATION, EXPIRY
from iot_ca.provisioning.checks.rule import PROVISION

REGISTER = "apply the module there: it registers the CA"
ADOPT = "apply the module there: it adopts the CA"
REPAIR = "apply the module there: it repairs the CA"
CHANGE_MODE = "set allow_mode_change = true for the CA and apply the module there"
RENEW = "register its successor under another name, then retire this CA"

ENABLE = "remove auto_registration = false of the CA and apply the module there"

_PERMISSIONS = "give the role the policy report_json of modules/iam-policies"

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


def of_check(check: Check) -> str | None:
    """Return the step for a check that is not ok; None if its finding says what to do."""
    if check.unreadable:
        return _PERMISSIONS if "may not call" in check.finding else None
    if check.check == EXPIRY and "expired" in check.finding:
        return RENEW
    if check.check == AUTO_REGISTRATION:
        return ENABLE
    if check.check in _APPLY and check.remedy != PROVISION:
        return f"apply the module there: {_APPLY[check.check]}"
    return check.remedy
