"""The least that Python can do to ask AWS IoT for one CA: what the program is measured against.

`python tools/bench/request.py botocore|stdlib CERTIFICATE_ID`. The first signs and sends with
botocore's own signer and HTTP session, without its clients and models; the second does without
botocore, as a program must not: signing is not to be written twice.
"""

import os
import sys


def through_botocore(url: str, region: str) -> bytes:
    """The answer, by botocore's signer and HTTP session."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    from botocore.httpsession import URLLib3Session

    credentials = Credentials(os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    request = AWSRequest("GET", url)
    SigV4Auth(credentials, "iot", region).add_auth(request)
    answer = URLLib3Session().send(request.prepare())
    if answer.status_code != 200:
        sys.exit(f"{answer.status_code} {answer.content!r}")
    return bytes(answer.content)


def through_stdlib(url: str, region: str) -> bytes:
    """The answer, by hmac and http.client."""
    import hashlib
    import hmac
    import http.client
    import time

    host, _, path = url.partition("://")[2].partition("/")
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{now[:8]}/{region}/iot/aws4_request"
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/{path}\n\nhost:{host}\nx-amz-date:{now}\n\nhost;x-amz-date\n{empty}"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = b"AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"].encode()
    for part in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}"):
        key = hmac.digest(key, part.encode(), "sha256")
    authorization = (
        f"AWS4-HMAC-SHA256 Credential={os.environ['AWS_ACCESS_KEY_ID']}/{scope}, "
        f"SignedHeaders=host;x-amz-date, Signature={key.hex()}"
    )
    connection = http.client.HTTPConnection(host)
    connection.request("GET", f"/{path}", None, {"X-Amz-Date": now, "Authorization": authorization})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        sys.exit(f"{answer.status} {body!r}")
    return body


def main(way: str, certificate_id: str) -> None:
    """Ask, and print the answer."""
    url = f"{os.environ['AWS_ENDPOINT_URL']}/cacertificate/{certificate_id}"
    ways = {"botocore": through_botocore, "stdlib": through_stdlib}
    print(ways[way](url, os.environ["AWS_REGION"]).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
