"""Which environment variables choose the endpoints, as SECURITY.md says."""

from __future__ import annotations

import re

import pytest

from iot_ca.aws.session import Account
from iot_ca.model import Credentials, Target
from tools.checkout import ROOT

_ROW = re.compile(r"^\| `(AWS_USE_\w+)=true` \| `([\w.-]+)` \|$", re.MULTILINE)
DOCUMENTED = _ROW.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))


def iot_endpoint(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "s", **settings}.items():
        monkeypatch.setenv(name, value)
    account = Account(Target("111122223333", "us-east-1", Credentials(None, None, None, None)))
    return str(account.client("iot").meta.endpoint_url)


@pytest.mark.parametrize(("variable", "host"), DOCUMENTED)
def test_the_endpoint_is_the_documented_one(
    variable: str, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert iot_endpoint(monkeypatch, **{variable: "true"}) == f"https://{host}"


def test_both_variables_of_endpoints_are_documented() -> None:
    variables = {variable for variable, _ in DOCUMENTED}
    assert variables == {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"}


def test_a_url_of_the_service_goes_before_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "https://vpce-1.iot.us-east-1.vpce.amazonaws.com"
    assert iot_endpoint(monkeypatch, AWS_ENDPOINT_URL_IOT=url) == url
