"""A provider with one data source and no settings, as the framework `tf` wants it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from tf.schema import Schema


class DataSource(Protocol):
    """What the framework calls on a data source."""

    @classmethod
    def get_name(cls) -> str:
        """The name after the provider's prefix; may be empty."""

    @classmethod
    def get_schema(cls) -> Any:
        """The schema of the block."""

    def validate(self, diagnostics: Any, type_name: str, config: dict[str, Any]) -> None:
        """Add errors about a configuration, parts of which may be unknown yet."""

    def read(self, context: Any, config: dict[str, Any]) -> dict[str, Any] | None:
        """The state for a known configuration; None after adding an error."""


class StandIn:
    """A provider called `name` whose only data source is what `make` makes."""

    def __init__(self, name: str, make: Callable[[], DataSource]) -> None:
        self._name = name
        self._make = make

    def get_model_prefix(self) -> str:
        return self._name

    def full_name(self) -> str:
        return f"registry.terraform.io/hashicorp/{self._name}"

    def get_provider_schema(self, diagnostics: Any) -> Any:
        return Schema()

    def validate_config(self, diagnostics: Any, config: Any) -> None:
        pass

    def configure_provider(self, diagnostics: Any, config: Any) -> None:
        pass

    def get_data_sources(self) -> list[Any]:
        return [type(self._make())]

    def get_resources(self) -> list[Any]:
        return []

    def get_functions(self) -> list[Any]:
        return []

    def new_data_source(self, _: Any) -> DataSource:
        return self._make()
