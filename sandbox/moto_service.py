"""How a service of moto's is extended: a backend that keeps state, operations that answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from moto.core.common_types import TYPE_RESPONSE
from moto.core.responses import BaseResponse


class ServedBackend:
    """Mixed into a backend of moto's: its requests go to ``operations``."""

    operations: ClassVar[type[BaseResponse]]
    url_pattern: ClassVar[str] = "/$"

    @property
    def url_paths(self) -> dict[str, Callable[[Any, str, Any], TYPE_RESPONSE]]:
        """Where requests go."""
        return {self.url_pattern: self.operations.dispatch}
