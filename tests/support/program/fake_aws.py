"""AWS in memory: what the program's unit tests talk to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.support.program.fake_iot import FakeIot
from tests.support.program.fake_signers import FakeSigners
from tests.support.program.refused import Refused

ACCOUNT = "111122223333"
REGION = "eu-west-1"


class FakeAws(FakeIot, FakeSigners):
    """AWS as one account sees it, behind real botocore clients: their requests end here.

    Attributes:
        calls: the operations that were called, in order.
        requests: their parameters.
        faults: what an operation fails with, as (code, message), instead of doing anything, or
            an exception to raise.
        before: called with the name of each operation before it happens.
        clients: the services that were asked, and where.
    """

    WRITES = frozenset(
        {
            "CreateThingGroup",
            "DeleteCACertificate",
            "DeleteThingGroup",
            "RegisterCACertificate",
            "TagResource",
            "UntagResource",
            "UpdateCACertificate",
        }
    )
    # What costs money or leaves a trace outside AWS IoT.
    SIGNS = frozenset({"IssueCertificate", "Sign"})

    def __init__(self, account: str = ACCOUNT, region: str = REGION) -> None:
        FakeIot.__init__(self, account, region)
        FakeSigners.__init__(self)
        self.calls: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.faults: dict[str, tuple[str, str] | Exception] = {}
        self.before: Callable[[str], None] = lambda _operation: None
        self.clients: list[tuple[str, str]] = []

    @property
    def writes(self) -> list[str]:
        """The calls that changed something, or were meant to."""
        return [call for call in self.calls if call in self.WRITES]

    @property
    def signs(self) -> list[str]:
        """The calls that had something signed or issued."""
        return [call for call in self.calls if call in self.SIGNS]

    def sent(self, operation: str) -> list[dict[str, Any]]:
        """The parameters of each call of an operation, in order."""
        pairs = zip(self.calls, self.requests, strict=True)
        return [request for call, request in pairs if call == operation]

    def client(self, session: Any, service: str, region: str) -> Any:
        """Takes the place of the program's own way of making a client."""
        from botocore.config import Config

        client = session.create_client(
            service, region_name=region, config=Config(retries={"total_max_attempts": 1})
        )
        self.clients.append((service, region))
        client.meta.events.register("before-parameter-build", self._remember)
        client.meta.events.register("before-call", self._answer)
        return client

    @staticmethod
    def _remember(params: dict[str, Any], context: dict[str, Any], **_: Any) -> None:
        context["fake"] = params

    def _answer(self, model: Any, context: dict[str, Any], **_: Any) -> Any:
        from botocore.awsrequest import AWSResponse
        from botocore.compat import HTTPHeaders

        operation = model.name
        self.before(operation)
        self.calls.append(operation)
        self.requests.append(context["fake"])
        fault = self.faults.get(operation)
        if isinstance(fault, Exception):
            raise fault
        try:
            if fault is not None:
                raise Refused(*fault)
            status, answer = 200, self._answer_of(operation, context["fake"])
        except Refused as refused:
            status = 400
            answer = {
                "Error": {"Code": refused.args[0], "Message": refused.args[1]},
                **refused.more,
            }
        answer = {**(answer or {}), "ResponseMetadata": {"HTTPStatusCode": status}}
        return AWSResponse("", status, HTTPHeaders(), None), answer

    def _GetCallerIdentity(self) -> dict[str, str]:
        return {"Account": self.account}

    def _AssumeRole(self, **_: str) -> dict[str, Any]:
        return {
            "Credentials": {
                "AccessKeyId": "ASIA0000",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
            }
        }
