"""`iot_ca csr`: the request for a verification certificate, for the holder of the CA's key."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from iot_ca.aws import session as aws
from iot_ca.aws.errors import translate_errors
from iot_ca.aws.session import Account
from iot_ca.errors import Failure
from iot_ca.model import Credentials, Target
from iot_ca.ownership import verification_certificate
from iot_ca.streams import say, standard_output


def run(argv: Sequence[str]) -> int:
    """Print the request on standard output, and on standard error what to do with it.

    Returns the exit status; raises Failure if AWS can't be queried or standard output can't be
    written. Writes nothing to AWS.
    """
    options = _parser().parse_args(argv)
    credentials = Credentials(options.profile, options.role_arn, options.external_id)
    target = _target(credentials, options.region)
    if options.account_id not in (None, target.account_id):
        raise Failure(
            f"the credentials belong to account {target.account_id}, not to {options.account_id}; "
            "set --profile or --role-arn, or AWS_PROFILE"
        )
    try:
        code = Account(target).registration_code
    except Failure as failure:
        raise Failure(f"{target}: {failure}") from failure
    with standard_output() as stdout:
        print(verification_certificate.request(code), end="", file=stdout)
    say(
        f"iot_ca: request for a verification certificate for {target}: have the CA's owner sign it "
        f"(common name {code}), and set verification.certificate_pem to the certificate",
        sys.stderr,
    )
    return 0


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Raise Failure: one line, like every failure."""
        raise Failure(f"{message}; see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="iot_ca csr",
        description="Print a certificate signing request (PEM) for a verification certificate: its "
        "common name is the registration code of the account and region. Its private key is "
        "discarded, since AWS IoT does not need it. Have the request signed by the CA that you "
        "want to register in DEFAULT mode, and set verification.certificate_pem to the resulting "
        "certificate.",
        allow_abbrev=False,
    )
    parser.add_argument("--account-id", help="fail if the credentials belong to another account")
    parser.add_argument("--region", help="the region to register in; default: as the AWS CLI")
    parser.add_argument("--profile", help="profile of the AWS configuration files")
    parser.add_argument("--role-arn", help="role to assume")
    parser.add_argument("--external-id", help="external ID that the role asks for")
    return parser


def _target(credentials: Credentials, region: str | None) -> Target:
    """Return the account and Region of the credentials; AWS names the account."""
    with translate_errors(region or "", "sts"):
        session = aws.new_session(credentials.profile)
        # botocore alone does not know AWS_REGION; Terraform and the AWS CLI do.
        region = region or os.environ.get("AWS_REGION") or session.get_config_variable("region")
    if not region:
        raise Failure("no region; set --region, or AWS_REGION in the environment")
    return Target(Account(Target("", region, credentials)).caller, region, credentials)
