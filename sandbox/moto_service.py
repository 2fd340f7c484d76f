"""How a service of moto's is extended: a backend that keeps state, operations that answer."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

from moto.core import responses
from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import BaseResponse

# The key in a request's environ of what the server has found already: the name of the operation
# and the parameters in the path.
OPERATION_KEY = "sandbox.operation"

# moto lists all members of a class in each call, a fifth of what the call costs.
_responses: Any = responses
_responses.method_names_from_class = functools.cache(_responses.method_names_from_class)


class ServedBackend:
    """Mixed into a backend of moto's: its requests go to ``operations``."""

    operations: ClassVar[type[BaseResponse]]
    url_pattern: ClassVar[str] = "/$"

    @property
    def url_paths(self) -> dict[str, Callable[[Any, str, Any], TYPE_RESPONSE]]:
        """Where requests go."""
        return {self.url_pattern: self.operations.dispatch}
