"""The pages of a listing in AWS IoT."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from iot_ca.errors import Failure

# More than any listing here has. A listing without end would let a plan wait for ever.
_MAX_PAGES = 1000


def pages(
    call: Callable[..., dict[str, Any]], request: dict[str, Any], token: str, answered: str
) -> Iterator[dict[str, Any]]:
    """Yield each page of a listing. Not botocore's paginator: loading it takes longer than a call.

    Args:
        call: the method of a client, called with `request` and, after the first page, `token`.
        request: the parameters of the first page.
        token: the parameter that asks for the next page.
        answered: the member of a page that has it.

    Raises Failure if the listing does not end, and what `call` raises.
    """
    asked = set()
    request = dict(request)
    for _ in range(_MAX_PAGES):
        page = call(**request)
        yield page
        following = page.get(answered)
        if not following:
            return
        if following in asked:
            break
        asked.add(following)
        request[token] = following
    raise Failure(
        f"AWS answers a listing that does not end ({answered} is repeated or always set); check "
        "the proxy, and report this if there is none"
    )
