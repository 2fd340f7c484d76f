"""One call of AWS IoT, read with the checks that all operations share."""

from __future__ import annotations

import functools
import json
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, unquote

from moto.core.common_types import TYPE_RESPONSE
from moto.core.request import Request
from moto.core.responses import ActionResult
from moto.iot.models import iot_backends
from moto.iot.responses import IoTResponse

from sandbox.errors import AWSError, encode_error
from sandbox.iot.backend import IoTBackend
from sandbox.iot.refusals import invalid_request
from sandbox.iot.tags import parse_tags
from sandbox.moto_service import OPERATION_KEY


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(timezone.utc)


class IoTRequest(IoTResponse):
    """A call, and what its operation reads from it. Refuses what has another type."""

    @property
    def backend(self) -> IoTBackend:
        """The caller's account in the request's region."""
        region = iot_backends[self.current_account]
        if self.region not in region:
            raise invalid_request(f"The sandbox knows no region {self.region}")
        backend = region[self.region]
        assert isinstance(backend, IoTBackend)
        return backend

    def call_action(self) -> TYPE_RESPONSE:
        """Run the operation; a refusal becomes the JSON in which AWS IoT sends it."""
        try:
            return super().call_action()
        except AWSError as error:
            return encode_error(error, "rest-json")

    def _get_action_from_method_and_request_uri(self, request: Request) -> str:
        """Return what the server has found: moto would look for it several times in each call."""
        if OPERATION_KEY not in request.environ:
            return str(super()._get_action_from_method_and_request_uri(request))
        operation, in_path = request.environ[OPERATION_KEY]
        self.uri_match = dict(in_path)
        return str(operation)

    @functools.cached_property
    def document(self) -> dict[str, Any]:
        """The members of the body that aren't null."""
        try:
            document = json.loads(self.body or "{}")
        except ValueError:
            raise invalid_request("The request body is not JSON") from None
        if not isinstance(document, dict):
            raise invalid_request("The request body is not a JSON object")
        return {name: value for name, value in document.items() if value is not None}

    @functools.cached_property
    def query(self) -> dict[str, str]:
        """The query parameters; of several values the last."""
        parameters = parse_qs(self.parsed_url.query, keep_blank_values=True)
        return {name: values[-1] for name, values in parameters.items()}

    def in_path(self, name: str) -> str:
        """Return a parameter of the path."""
        return unquote(str(self.uri_match[name]))

    def text(self, name: str) -> str | None:
        """Return a member of the body that is text; None without it."""
        value = self.document.get(name)
        if value is not None and not isinstance(value, str):
            raise invalid_request(f"{name} must be text")
        return value

    def needed(self, name: str) -> str:
        """Return a member of the body that is text; refuse a call without it."""
        value = self.text(name)
        if value is None:
            raise invalid_request(
                f"1 validation error detected: Value null at '{name}' failed to satisfy "
                "constraint: Member must not be null"
            )
        return value

    def flag(self, name: str) -> bool | None:
        """Return a member of the body that is true or false; None without it."""
        value = self.document.get(name)
        if value is not None and not isinstance(value, bool):
            raise invalid_request(f"{name} must be true or false")
        return value

    def query_flag(self, name: str) -> bool:
        """Return a query parameter that is true or false; false without it."""
        value = self.query.get(name, "false").lower()
        if value not in {"true", "false"}:
            raise invalid_request(f"{name} must be true or false")
        return value == "true"

    def query_number(self, name: str, default: int) -> int:
        """Return a query parameter that is a number."""
        value = self.query.get(name, str(default))
        if not value.isdecimal():
            raise invalid_request(f"{name} must be a number")
        return int(value)

    def tags(self) -> dict[str, str]:
        """Return the member ``tags``, checked."""
        return parse_tags(self.document.get("tags", []))

    def page(self, items: list[Any]) -> tuple[list[Any], str | None]:
        """Return the page that the query asks for, and the token of the next."""
        size = self.query_number("maxResults", 25)
        start = self.query_number("nextToken", 0)
        if not 1 <= size <= 250:
            raise invalid_request("maxResults must be between 1 and 250")
        end = start + size
        return items[start:end], str(end) if end < len(items) else None

    @staticmethod
    def listing(name: str, items: list[dict[str, Any]], token: str | None) -> ActionResult:
        """Return a page of items under ``name``, with the token of the next page."""
        answer: dict[str, Any] = {name: items}
        if token:
            answer["nextToken"] = token
        return ActionResult(answer)
