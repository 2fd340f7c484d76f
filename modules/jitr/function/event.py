"""What the function is called with: the event of a registration, or a dead letter that holds one.

Dead letters come in two wrappings. Both are taken, so that sending one again is nothing but calling
the function with the body of the message.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from typing import Any

from .errors import UnknownInput

_CERTIFICATE_ID = re.compile(r"[0-9a-f]{64}")


def event_of(document: object) -> dict[str, Any]:
    """The event in `document`, with the IDs in it checked for their form.

    Raises UnknownInput if there is none.
    """
    event = _unwrapped(document)
    for name in ("certificateId", "caCertificateId"):
        if not _CERTIFICATE_ID.fullmatch(str(event.get(name, ""))):
            raise UnknownInput(f"the event has no {name} of 64 hexadecimal digits")
    return dict(event)


def _unwrapped(document: object) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        raise UnknownInput("the event is not an object")
    # From Lambda's destination for failed asynchronous calls.
    if isinstance(document.get("requestPayload"), Mapping):
        return _unwrapped(document["requestPayload"])
    # From the error action of a rule.
    if "base64OriginalPayload" in document:
        try:
            return _unwrapped(json.loads(base64.b64decode(document["base64OriginalPayload"])))
        except (binascii.Error, TypeError, ValueError):
            raise UnknownInput("base64OriginalPayload holds no event") from None
    return document
