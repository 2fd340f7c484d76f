"""Clients of AWS services for the sandbox. Making one takes longer than all its calls.

So all come from one session, which reads no model of a service twice and nothing that the user has
set up for AWS, and `client_for` gives the same client at each call.
"""

from __future__ import annotations

import functools
import os
import threading
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

from sandbox.control import Sandbox
from tests.support.sandbox.in_process import connect

# A session makes one client at a time.
_LOCK = threading.Lock()


def client_for(sandbox: Sandbox, account: str, region: str, service: str) -> Any:
    """The client of a service, as the root user of an account."""
    return _root_client(sandbox.endpoint, account, region, service)


def new_client(
    endpoint: str,
    service: str,
    region: str,
    access_key: str,
    secret_key: str = "sandbox",
    token: str | None = None,
    config: Config | None = None,
) -> Any:
    """A client of its own, with any credentials; an access key may be an account's number."""
    with _LOCK:
        return _session().client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            aws_session_token=token,
            config=config,
        )


@functools.cache
def _root_client(endpoint: str, account: str, region: str, service: str) -> Any:
    client = new_client(endpoint, service, region, account)
    connect(client, endpoint)
    return client


@functools.cache
def _session() -> boto3.Session:
    nowhere = (None, None, os.devnull, None)
    variables = {
        "profile": (None, None, None, None),
        "config_file": nowhere,
        "credentials_file": nowhere,
    }
    return boto3.Session(botocore_session=botocore.session.Session(variables))
