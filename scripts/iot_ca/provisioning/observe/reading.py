"""Calls to AWS that only read; what can't be read becomes a value instead of an error."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from iot_ca.aws.pages import pages
from iot_ca.aws.session import Account
from iot_ca.errors import Failure, one_line
from iot_ca.isolation import result_or_failure
from iot_ca.provisioning.facts import PolicyDocument, Unreadable

T = TypeVar("T")
Item = TypeVar("Item")

_NOT_FOUND = {
    "AWS.SimpleQueueService.NonExistentQueue",
    "NoSuchEntity",
    "NotConfiguredException",
    "QueueDoesNotExist",
    "ResourceNotFoundException",
}
_MAX_PAGES = 40
_PARALLEL_CALLS = 10


def value_or_unreadable(call: Callable[[], T]) -> T | Unreadable:
    """Return what a call returns; what it raises costs this part of the lookup alone."""
    value = result_or_failure(call)
    return Unreadable(one_line(str(value))) if isinstance(value, Failure) else value


class Reader:
    """Reads one account and Region, from any thread.

    `aws_policies` has the documents of AWS's own policies by ARN, which are the same in all
    accounts: readers may share it.
    """

    def __init__(
        self,
        account: Account,
        parallel_calls: int = _PARALLEL_CALLS,
        aws_policies: dict[str, PolicyDocument] | None = None,
    ) -> None:
        self.account = account
        self.aws_policies = {} if aws_policies is None else aws_policies
        self._pool = ThreadPoolExecutor(parallel_calls, thread_name_prefix="read")

    def close(self) -> None:
        """Let the threads end."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def read(self, service: str, operation: str, **request: Any) -> Any:
        """Return the response of a call; None if AWS has no such resource; Unreadable if denied."""
        return self.outcome(service, lambda client: getattr(client, operation)(**request))

    def read_pages(
        self, service: str, operation: str, member: str, token: tuple[str, str], **request: Any
    ) -> Any:
        """Return the items of a listing, as `read` does; `token` are the names for its pages."""

        def items(client: Any) -> list[Any]:
            listing = pages(getattr(client, operation), request, *token)
            return [item for page in islice(listing, _MAX_PAGES) for item in page.get(member, [])]

        return self.outcome(service, items)

    def each(self, call: Callable[[Item], T], items: Iterable[Item]) -> list[T]:
        """Return what a call returns for each item; the calls run in parallel.

        Not to be called inside such a call: the threads could wait for each other.
        """
        return list(self._pool.map(call, items))

    def all(self, *calls: Callable[[], Any]) -> Iterator[Any]:
        """Yield what each of several calls returns; the calls run in parallel, as with `each`."""
        futures = [self._pool.submit(call) for call in calls]
        return (future.result() for future in futures)

    def outcome(self, service: str, call: Callable[[Any], T]) -> T | Unreadable | None:
        """Return what a function returns that is called with a client of a service, as `read`."""
        from botocore.exceptions import ClientError

        try:
            client = self.account.client(service)
            with self.account.failures(service):
                try:
                    return call(client)
                except ClientError as error:
                    if error.response.get("Error", {}).get("Code") in _NOT_FOUND:
                        return None
                    raise
        except Failure as failure:
            return Unreadable(one_line(str(failure)))
