"""DEFAULT mode, and one CA in two accounts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.aws_contract.accounts import AwsAccount
from tests.support.aws_contract.answers import Answer, code_of, refusal, words_of
from tests.support.aws_contract.run import Run
from tests.support.aws_contract.sources import API, BLOG, MANAGE_CAS, OPEN, SEEN
from tests.support.certificates import CA, ec_key, rsa_key


@pytest.fixture(scope="module")
def default_ca(run: Run) -> CA:
    """A CA that the first account has in DEFAULT mode."""
    return run.new_ca()


@pytest.fixture(scope="module")
def in_default_mode(run: Run, account: AwsAccount, default_ca: CA) -> dict[str, Any]:
    """The answer to its registration there."""
    return run.register(account, default_ca, "DEFAULT")


@pytest.mark.assumption(
    "The registration code of an account stays the same until it is deleted",
    source=f"{API}/API_GetRegistrationCode.html",
)
def test_registration_code(account: AwsAccount, answer: Answer) -> None:
    codes = {account.iot.get_registration_code()["registrationCode"] for _ in range(2)}
    answer(f"{len(codes)} code in two calls")
    assert len(codes) == 1


@pytest.mark.assumption(
    "`DEFAULT` mode takes a certificate that the CA has signed, with the registration code as its "
    "common name",
    source=MANAGE_CAS,
)
def test_default_mode(
    in_default_mode: dict[str, Any], account: AwsAccount, default_ca: CA, answer: Answer
) -> None:
    described = account.iot.describe_ca_certificate(certificateId=in_default_mode["certificateId"])
    mode = described["certificateDescription"].get("certificateMode")
    answer(f"registered in mode {mode}")
    assert in_default_mode["certificateId"] == default_ca.id
    assert mode == "DEFAULT"


@pytest.mark.assumption("A verification certificate with a P-256 key proves an RSA CA", source=OPEN)
def test_ec_proof_of_an_rsa_ca(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca(key=rsa_key(2048))
    run.register(account, ca, "DEFAULT")
    answer("registered")


@pytest.mark.assumption("`DEFAULT` mode needs a verification certificate", source=SEEN)
def test_no_proof(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    run.remove_ca(account, ca.id)
    error = refusal(
        lambda: account.iot.register_ca_certificate(caCertificate=ca.pem, certificateMode="DEFAULT")
    )
    answer(words_of(error))
    assert code_of(error) == "InvalidRequestException"


@pytest.mark.assumption("`SNI_ONLY` mode must not have a verification certificate", source=BLOG)
def test_proof_in_sni_only_mode(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    proof = run.proof(account, ca)
    error = refusal(lambda: run.register(account, ca, verificationCertificate=proof))
    answer(words_of(error))
    assert code_of(error) == "InvalidRequestException"


@pytest.mark.assumption(
    "A verification certificate with another common name is refused: "
    "`RegistrationCodeValidationException`",
    source=f"{API}/API_RegisterCACertificate.html",
)
def test_other_registration_code(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    proof = ca.verification("0" * 64)
    error = refusal(lambda: run.register(account, ca, "DEFAULT", verificationCertificate=proof))
    answer(words_of(error))
    assert code_of(error) == "RegistrationCodeValidationException"


@pytest.mark.assumption(
    "A verification certificate that another key has signed is refused: "
    "`CertificateValidationException`",
    source=f"{API}/API_RegisterCACertificate.html",
)
def test_other_signer(run: Run, account: AwsAccount, answer: Answer) -> None:
    ca = run.new_ca()
    code = account.iot.get_registration_code()["registrationCode"]
    proof = ca.verification(code, signer=ec_key())
    error = refusal(lambda: run.register(account, ca, "DEFAULT", verificationCertificate=proof))
    answer(words_of(error))
    assert code_of(error) == "CertificateValidationException"


@pytest.mark.assumption("Two accounts have one CA in `SNI_ONLY` mode in a Region", source=BLOG)
def test_sni_only_in_two_accounts(
    run: Run, account: AwsAccount, other_account: AwsAccount, answer: Answer
) -> None:
    ca = run.new_ca()
    ids = {run.register(each, ca)["certificateId"] for each in (account, other_account)}
    answer("registered in both, under one ID" if len(ids) == 1 else "different IDs")
    assert ids == {ca.id}


@pytest.mark.assumption(
    "One account at most has a CA in `DEFAULT` mode in a Region: "
    "`InvalidRequestException: Cannot accept this CACertificate`",
    source=SEEN,
)
@pytest.mark.usefixtures("in_default_mode")
def test_default_mode_in_two_accounts(
    run: Run, other_account: AwsAccount, default_ca: CA, answer: Answer
) -> None:
    error = refusal(lambda: run.register(other_account, default_ca, "DEFAULT"))
    answer(words_of(error))
    assert words_of(error) == "InvalidRequestException: Cannot accept this CACertificate"


@pytest.mark.assumption(
    "A CA that one account has in `DEFAULT` mode is registered in `SNI_ONLY` mode in another one",
    source=BLOG,
)
def test_both_modes_in_two_accounts(
    run: Run, account: AwsAccount, other_account: AwsAccount, answer: Answer
) -> None:
    ca = run.new_ca()
    run.register(account, ca, "DEFAULT")
    registered = run.register(other_account, ca)
    answer("registered")
    assert registered["certificateId"] == ca.id
