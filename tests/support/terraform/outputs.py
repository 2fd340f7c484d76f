"""What the module's outputs should say, going by what AWS says."""

from __future__ import annotations

from datetime import timezone
from typing import Any

from tests.support.accounts import Account


def as_output(found: dict[str, Any], account: Account) -> dict[str, Any]:
    """What the module's output should say of a CA, going by what AWS says of it."""
    name = found["templateName"]
    arn = f"arn:aws:iot:{account.region}:{account.number}:provisioningtemplate/{name}"
    return {
        "certificate_id": found["certificateId"],
        "certificate_arn": found["certificateArn"],
        "certificate_mode": found["certificateMode"],
        "status": found["status"],
        "auto_registration_status": found["autoRegistrationStatus"],
        "not_before": _rfc3339(found["validity"]["notBefore"]),
        "not_after": _rfc3339(found["validity"]["notAfter"]),
        "provisioning_template_name": name,
        "provisioning_template_arn": arn if name else None,
    }


def _rfc3339(moment: Any) -> str:
    # boto3 reads AWS's times into this machine's time zone.
    return str(moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
