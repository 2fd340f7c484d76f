"""The URLs of AWS's services: which setting changes one, and whether it is a URL."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from iot_ca.errors import Failure

_VARIABLE = "AWS_ENDPOINT_URL"


def endpoint_setting(service: str = "") -> str | None:
    """Return the setting that names a service's endpoint; None if no environment variable does.

    Without a service: any that is set. A service's own variable goes before the general one (AWS
    SDKs and tools reference guide, "Service-specific endpoints").
    """
    own = f"{_VARIABLE}_{service.upper().replace('-', '_')}"
    names = [own, _VARIABLE]
    if not service:
        names = sorted(name for name in os.environ if name.startswith(_VARIABLE))
    return next((name for name in names if os.environ.get(name)), None)


def check_endpoint(service: str, url: str) -> None:
    """Raise Failure for an endpoint that the HTTP client could not use."""
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # of a port that is not a number up to 65535
        is_usable = False
    if not is_usable:
        setting = endpoint_setting(service) or "endpoint_url of the profile"
        raise Failure(f"Invalid endpoint: {without_password(url)}; check {setting}")


def without_password(url: str) -> str:
    """Return a URL without what can stand before its host."""
    return re.sub("//[^/]*@", "//", url)


def network_settings() -> str:
    """Return what to check if AWS can't be reached: an endpoint only where one is set."""
    setting = endpoint_setting()
    return "network and proxy" if setting is None else f"network, proxy and {setting}"
