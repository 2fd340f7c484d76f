"""The plain way to ask the accounts of a fleet, which `status` is compared with.

`python -m tools.bench.one_by_one FILE.tfvars COUNT` asks the first COUNT accounts, as a script
around boto3 does it: a session for each role, a client for each Region, two calls for each CA. Its
start is measured too, so it imports nothing of the benchmarks.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cryptography import x509


def ask_one_by_one(accounts: Sequence[dict[str, Any]], certificate_id: str) -> int:
    """Query the accounts one after the other; return how many of them have the CA."""
    from boto3.session import Session

    count = 0
    for account in accounts:
        role = {"RoleArn": account["role_arn"], "RoleSessionName": "plain"}
        issued = Session().client("sts").assume_role(**role)["Credentials"]
        session = Session(issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"])
        for region in account["regions"]:
            iot = session.client("iot", region_name=region)
            answer = iot.describe_ca_certificate(certificateId=certificate_id)
            arn = answer["certificateDescription"]["certificateArn"]
            count += len(iot.list_tags_for_resource(resourceArn=arn)["tags"]) == 3
    return count


def main(arguments: Sequence[str]) -> int:
    """Ask, and print how many CAs there are; returns the exit status."""
    import hcl2
    from hcl2 import SerializationOptions

    path, count = Path(arguments[0]), int(arguments[1])
    options = SerializationOptions(with_comments=False, strip_string_quotes=True)
    variables = hcl2.loads(path.read_text(encoding="utf-8"), serialization_options=options)
    pem = (path.parent / variables["certificate_file"]).read_bytes()
    from cryptography.hazmat.primitives.hashes import SHA256

    certificate_id = x509.load_pem_x509_certificate(pem).fingerprint(SHA256()).hex()
    print(ask_one_by_one(list(variables["accounts"].values())[:count], certificate_id), "found")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
