"""boto3's clients for the sandbox, as the root user of an account."""

from __future__ import annotations

import functools
from typing import Any

import boto3
import botocore.session
from botocore.loaders import Loader, create_loader

from sandbox.control import Sandbox


def client_for(sandbox: Sandbox, account: str, region: str, service: str) -> Any:
    """boto3's client for a service; all who ask for the same one get the same one."""
    return _client(sandbox.endpoint, account, region, service)


# Making a client takes longer than all its calls.
@functools.cache
def _client(endpoint: str, account: str, region: str, service: str) -> Any:
    made = boto3.Session(account, "sandbox", region_name=region, botocore_session=_core())
    return made.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]


@functools.cache
def _loader() -> Loader:
    return create_loader()


def _core() -> botocore.session.Session:
    """A session that reads no model of a service a second time."""
    session = botocore.session.Session()
    session.register_component("data_loader", _loader())
    return session
