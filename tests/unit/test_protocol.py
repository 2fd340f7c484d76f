"""The protocol with Terraform: requests in, answers out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iot_ca.errors import Failure, one_line
from iot_ca.model import (
    Credentials,
    DeregisterRequest,
    DesiredCa,
    RegisterRequest,
    Target,
    Verification,
)
from iot_ca.terraform import protocol
from iot_ca.terraform.protocol import InspectRequest, Result
from tests.support.certificates import ec_key, issue, pem
from tests.support.messages import everything_said

TEXT = st.text(max_size=30)
MAYBE = st.none() | TEXT
CREDENTIALS = st.builds(Credentials, MAYBE, MAYBE, MAYBE, MAYBE)
TARGETS = st.builds(Target, TEXT, TEXT, CREDENTIALS)
PROOFS = [field.name for field in fields(Verification) if not field.name.endswith("_env")]
VERIFICATIONS = st.builds(
    lambda name, value, variable: Verification(
        **{name: value, "ca_private_key_passphrase_env": variable}
    ),
    *(st.sampled_from(PROOFS), TEXT, MAYBE),
)
AUTHORITIES = st.builds(
    DesiredCa,
    certificate_pem=TEXT,
    certificate_mode=st.sampled_from(["SNI_ONLY", "DEFAULT"]),
    status=st.sampled_from(["ACTIVE", "INACTIVE"]),
    auto_registration=st.booleans(),
    template_name=MAYBE,
    verification=st.none() | VERIFICATIONS,
    allow_mode_change=st.booleans(),
    force_mode_change=st.booleans(),
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
)
INSPECT = st.builds(InspectRequest, TARGETS, st.dictionaries(TEXT, AUTHORITIES, max_size=3))
REGISTER = st.builds(RegisterRequest, TEXT, TARGETS, AUTHORITIES, TEXT, TEXT)
DEREGISTER = st.builds(
    DeregisterRequest,
    *(TEXT, TARGETS, TEXT, TEXT, MAYBE),
    st.none() | st.sampled_from(["delete", "deactivate", "retain"]),
    st.booleans(),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3),
    max_leaves=8,
)
READERS: list[Callable[[str], object]] = [
    protocol.read_inspect,
    protocol.read_register,
    protocol.read_deregister,
]

TARGET: dict[str, Any] = {"account_id": "111122223333", "region": "eu-west-1"}
REQUEST: dict[str, Any] = {
    "name": "root",
    "target": TARGET,
    "certificate_authority": {"certificate_pem": "PEM"},
    "revision": "register 1",
    "owner": "record",
}


def query(target: object, authorities: object) -> str:
    """A query as Terraform's external data source writes it."""
    return json.dumps(
        {"target": json.dumps(target), "certificate_authorities": json.dumps(authorities)}
    )


def without_none(value: Any) -> Any:
    """What a sender that leaves out unset attributes would send."""
    if isinstance(value, dict):
        return {key: without_none(item) for key, item in value.items() if item is not None}
    return value


@given(INSPECT)
def test_a_query_is_read_unchanged(request: InspectRequest) -> None:
    sent = asdict(request)
    assert protocol.read_inspect(query(sent["target"], sent["certificate_authorities"])) == request
    less = without_none(sent)
    assert protocol.read_inspect(query(less["target"], less["certificate_authorities"])) == request


@given(REGISTER)
def test_a_register_request_is_read_unchanged(request: RegisterRequest) -> None:
    assert protocol.read_register(json.dumps(asdict(request))) == request
    assert protocol.read_register(json.dumps(without_none(asdict(request)))) == request


@given(DEREGISTER)
def test_a_deregister_request_is_read_unchanged(request: DeregisterRequest) -> None:
    assert protocol.read_deregister(json.dumps(asdict(request))) == request
    assert protocol.read_deregister(json.dumps(without_none(asdict(request)))) == request


def test_only_the_first_certificate_of_a_chain_of_proof_travels() -> None:
    proof = pem(issue(ec_key(), is_ca=False))
    chain = f"Subject: CN=proof\r\n{proof}" + 400 * pem(issue(ec_key()))
    assert len(chain) > 100_000
    desired = DesiredCa(chain, "DEFAULT", verification=Verification(chain))
    text = protocol.write_request(
        "root", Target("1" * 12, "eu-west-1"), desired, "PEM", is_absent=False
    )
    sent = json.loads(text)["certificate_authority"]
    assert (sent["certificate_pem"], sent["verification"]["certificate_pem"]) == ("PEM", proof)
    # What is not a certificate is for the check of the proof to refuse.
    desired = DesiredCa("PEM", verification=Verification("junk"))
    text = protocol.write_request(
        "root", Target("1" * 12, "eu-west-1"), desired, "PEM", is_absent=False
    )
    assert json.loads(text)["certificate_authority"]["verification"]["certificate_pem"] == "junk"


def test_defaults_are_those_of_the_module() -> None:
    request = protocol.read_register(json.dumps(REQUEST))
    assert request.certificate_authority == DesiredCa(
        certificate_pem="PEM",
        certificate_mode="SNI_ONLY",
        status="ACTIVE",
        auto_registration=False,
        template_name=None,
        verification=None,
        allow_mode_change=False,
        force_mode_change=False,
        tags={},
    )
    assert request.target.credentials == Credentials(None, None, None, None)


@given(
    st.dictionaries(
        TEXT,
        st.builds(
            Result,
            *(TEXT, TEXT, st.sampled_from(["SNI_ONLY", "DEFAULT"])),
            *(st.sampled_from(["ACTIVE", "INACTIVE"]), st.sampled_from(["ENABLE", "DISABLE"])),
            *(TEXT, TEXT, TEXT, st.lists(TEXT, max_size=2), st.lists(TEXT, max_size=2)),
        ),
        max_size=3,
    )
)
def test_an_answer_is_one_object_of_strings(results: dict[str, Result]) -> None:
    written = protocol.write_results(results)
    assert written.isascii()
    assert "\n" not in written
    answer = json.loads(written)
    assert {name: Result(**json.loads(text)) for name, text in answer.items()} == results


@given(st.sampled_from(READERS), TEXT | JSON.map(json.dumps))
def test_junk_is_a_failure_of_the_documented_kind(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(Failure):
        read(text)


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize(
    "deep",
    ["[" * 100_000, '{"target":' * 100_000, "9" * 10_000],
    ids=["lists", "objects", "digits"],
)
def test_excessive_junk_is_a_failure_too(read: Callable[[str], object], deep: str) -> None:
    for text in (deep, json.dumps({"target": deep, "certificate_authorities": deep})):
        try:
            read(text)
        except Failure:
            continue
        except RecursionError:
            # Not passed on: pytest would print all of it.
            pytest.fail("a RecursionError, no Failure")
        pytest.fail("it was read")


@given(JSON, JSON)
@example({}, {})
def test_junk_inside_a_query_is_a_failure(target: object, authorities: object) -> None:
    for text in (
        query(target, {}),
        query(TARGET, {"root": authorities}),
        query(target, authorities),
    ):
        with pytest.raises(Failure):
            protocol.read_inspect(text)


@given(st.sampled_from([*REQUEST, "other"]), JSON)
def test_junk_in_a_request_is_a_failure_or_a_request(attribute: str, junk: object) -> None:
    try:
        request = protocol.read_register(json.dumps({**REQUEST, attribute: junk}))
    except Failure:
        return
    assert isinstance(request, RegisterRequest)
    assert asdict(request)[attribute] == junk or not junk


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps([SECRET]),
        json.dumps({"target": SECRET}),
        json.dumps({"target": SECRET, "certificate_authorities": SECRET}),
        query(SECRET, SECRET),
        query([SECRET], [SECRET]),
        query({**TARGET, "region": [SECRET]}, {}),
        query({**TARGET, "credentials": SECRET}, {}),
        query({**TARGET, "credentials": {"profile": {"a": SECRET}}}, {}),
        query(TARGET, SECRET),
        query(TARGET, {"root": SECRET}),
        query(TARGET, {"root": {"certificate_pem": [SECRET]}}),
        query(TARGET, {"root": {"certificate_pem": "", "certificate_mode": SECRET}}),
        query(TARGET, {"root": {"certificate_pem": "", "status": SECRET}}),
        query(TARGET, {"root": {"certificate_pem": "", "auto_registration": SECRET}}),
        query(TARGET, {"root": {"certificate_pem": "", "template_name": [SECRET]}}),
        query(TARGET, {"root": {"certificate_pem": "", "verification": SECRET}}),
        query(TARGET, {"root": {"certificate_pem": "", "verification": {"other": SECRET}}}),
        query(
            TARGET,
            {"root": {"certificate_pem": "", "verification": {"kms_key_id": [SECRET]}}},
        ),
        query(TARGET, {"root": {"certificate_pem": "", "tags": {"a": [SECRET]}}}),
        query(TARGET, {"root": {"certificate_pem": "", "private_key": SECRET}}),
    ],
)
def test_a_failure_never_quotes_the_input(text: str) -> None:
    with pytest.raises(Failure) as caught:
        protocol.read_inspect(text)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)
    # What a traceback would show of the exceptions behind it.
    assert SECRET not in everything_said(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"certificate_mode": "sni_only"}, '.certificate_mode must be "SNI_ONLY" or "DEFAULT"'),
        ({"certificate_mode": ["SNI_ONLY"]}, '.certificate_mode must be "SNI_ONLY" or "DEFAULT"'),
        ({"status": "PENDING"}, '.status must be "ACTIVE" or "INACTIVE"'),
        ({"auto_registration": 1}, ".auto_registration must be a bool"),
        ({"auto_registration": "true"}, ".auto_registration must be a bool"),
        ({"certificate_pem": None}, ".certificate_pem is required"),
        ({"certificate_pem": 1}, ".certificate_pem must be a string"),
        ({"tags": {"a": 1}}, ".tags must be an object of strings"),
        ({"tags": ["a"]}, ".tags must be an object of strings"),
        ({"certificat_mode": "DEFAULT"}, "has unknown attributes: certificat_mode"),
        ({"verification": {"ca_private_key": "x"}}, "has unknown attributes: ca_private_key"),
        ({"verification": []}, ".verification must be an object"),
        ({"verification": {"kms_key_id": 1}}, ".verification.kms_key_id must be a string"),
        ({"verification": {}}, ".verification: set exactly one of certificate_pem, "),
        ({"verification": {"ca_private_key_passphrase_env": "x"}}, ".verification: set exactly"),
        *(
            ({"verification": dict.fromkeys(two, "x")}, ".verification: set exactly one of ")
            for two in itertools.combinations(PROOFS, 2)
        ),
        ({"allow_mode_change": "true"}, ".allow_mode_change must be a bool"),
        ({"force_mode_change": 1}, ".force_mode_change must be a bool"),
    ],
)
def test_a_failure_names_the_ca_and_the_attribute(change: dict[str, Any], said: str) -> None:
    with pytest.raises(Failure) as caught:
        protocol.read_inspect(query(TARGET, {"the root": {"certificate_pem": "PEM", **change}}))
    assert str(caught.value).startswith('certificate_authorities["the root"]')
    assert said in str(caught.value)


@pytest.mark.parametrize("missing", REQUEST)
def test_a_request_must_be_complete(missing: str) -> None:
    text = json.dumps({key: value for key, value in REQUEST.items() if key != missing})
    with pytest.raises(Failure, match=f"IOT_CA_REQUEST.{missing} is required"):
        protocol.read_register(text)


@given(st.text())
def test_one_line_is_one_line(text: str) -> None:
    assert len(one_line(text).splitlines()) <= 1
