"""Layers of settings: the same setting may stand at a CA, an account, a Region or the CA there."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iot_ca.errors import Failure


@dataclass(frozen=True)
class Layer:
    """One object of settings, read by type.

    Attributes:
        settings: the object as the file has it; null is the same as absent.
        path: where it stands, as error messages name it.
    """

    settings: Mapping[str, Any]
    path: str

    def text(self, key: str) -> str | None:
        """Return a string; a number becomes its digits, as in Terraform."""
        value = self.settings.get(key)
        if isinstance(value, bool) or not isinstance(value, str | int | None):
            raise Failure(f"{self.path}.{key} must be a string")
        return None if value is None else str(value)

    def flag(self, key: str, default: bool | None) -> bool | None:
        """Return a boolean, which may be written as text, as in Terraform."""
        value = self.settings.get(key)
        if value is None:
            return default
        if value in ("true", "false"):
            return bool(value == "true")
        if not isinstance(value, bool):
            raise Failure(f"{self.path}.{key} must be true or false")
        return value

    def choice(self, key: str, choices: Sequence[str], default: Any) -> Any:
        """Return one of these strings."""
        value = self.settings.get(key)
        if value is not None and value not in choices:
            raise Failure(f"{self.path}.{key} must be {' or '.join(map(json.dumps, choices))}")
        return default if value is None else value

    def object(self, key: str) -> Layer:
        """Return the object below a key; an empty one if the key is absent."""
        path = f"{self.path}.{key}"
        return Layer(require_object(self.settings.get(key), path), path)

    def by_name(self, key: str) -> dict[str, Any]:
        """Return a map by name; a list of names stands for a map of them to empty objects."""
        value = self.settings.get(key)
        if isinstance(value, list) and all(isinstance(name, str) for name in value):
            value = {name: {} for name in value}
        if not isinstance(value, dict) or not value:
            raise Failure(f"{self.path}.{key} must be a list of names or a map by name")
        return value


def require_object(value: Any, path: str) -> dict[str, Any]:
    """Return the value, an empty object for None; raise Failure if it is not an object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Failure(f"{path} must be an object")
    return value
