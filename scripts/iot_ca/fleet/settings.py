"""The settings that exist, and the attributes of a file that are not among them.

Other attributes belong to the user's configuration. One that looks like a misspelled setting is
an error, or the setting's default would be used without a word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from typing import Any

from iot_ca.errors import Failure
from iot_ca.fleet.layers import Layer

# A setting of a CA may also stand at an account and at a Region. `status` reads a few of the
# root module's attributes; the others are known here because the same file may hold them.
_CA_SETTINGS = frozenset(
    {
        "allow_mode_change",
        "auto_registration",
        "certificate_mode",
        "force_destroy",
        "force_mode_change",
        "on_destroy",
        "provisioning",
        "status",
        "tags",
        "template_name",
        "verification",
    }
)
SETTINGS: Mapping[str, frozenset[str]] = {
    "account": _CA_SETTINGS
    | {"account_id", "certificate_authorities", "external_id", "profile", "region", "regions"}
    | {"role_arn", "session_name"},
    "region": _CA_SETTINGS | {"certificate_authorities"},
    "CA": _CA_SETTINGS | {"certificate_file", "certificate_pem"},
    "provisioning": frozenset(
        {
            "alarm_actions",
            "create_role",
            "device_policy",
            "hook_function_arn",
            "kms_key_arn",
            "log_retention_days",
            "on_permanent_failure",
            "on_refusal",
            "permissions_boundary_arn",
            "require_source_account",
            "reserved_concurrency",
            "role_arn",
            "runtime",
            "subject_attributes",
            "template_body",
            "template_name",
            "thing_type_name",
            "type",
            "xray_tracing",
        }
    ),
}
# For each kind of layer, its maps of further layers and their kind; "" is the file.
_INNER_KINDS = {
    "": {"certificate_authorities": "CA", "accounts": "account", "regions": "region"},
    "account": {"certificate_authorities": "CA", "regions": "region"},
    "region": {"certificate_authorities": "CA"},
}

# A name is taken for a misspelled one from this similarity of the whole names on, and of the
# words that they don't share: these tell `certificate_id` from `certificate_file`.
_MIN_SIMILARITY = 0.82
_MIN_WORD_SIMILARITY = 0.6

_WORD = re.compile(r"[A-Z]?[^\W_A-Z]+|[A-Z]+")


@dataclass(frozen=True)
class _TypedLayer(Layer):
    """A layer, and the key of `SETTINGS` that applies to it."""

    kind: str


def unknown_attributes(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the attributes that are not settings, each once, as `name (account)`.

    Values of a wrong type are skipped: whatever reads them reports them.

    Raises Failure for a misspelled setting.
    """
    unknown: dict[str, None] = {}
    for layer in _layers(variables):
        for name in layer.settings:
            if name not in SETTINGS[layer.kind]:
                _check_spelling(name, layer)
                unknown[f"{_quoted(name)} ({layer.kind})"] = None
    return tuple(unknown)


def _layers(settings: Mapping[str, Any], path: str = "", kind: str = "") -> Iterator[_TypedLayer]:
    """Yield every account, Region, CA and provisioning, at any depth; kind "" is the file."""
    if kind:
        yield _TypedLayer(settings, path, kind)
    for key, inner_kind in _INNER_KINDS.get(kind, {}).items():
        items = settings.get(key)
        for name, item in items.items() if isinstance(items, dict) else ():
            if isinstance(item, dict):
                inner_path = f"{path}.{key}[{json.dumps(name)}]".removeprefix(".")
                yield from _layers(item, inner_path, inner_kind)
    provisioning = settings.get("provisioning")
    if kind in ("account", "region", "CA") and isinstance(provisioning, dict):
        yield _TypedLayer(provisioning, f"{path}.provisioning", "provisioning")


def _check_spelling(name: str, layer: _TypedLayer) -> None:
    """Raise Failure if an attribute is probably a misspelled setting."""
    setting = _similar_setting(name, layer.kind)
    if setting is not None:
        raise Failure(
            f"{layer.path} has {_quoted(name)}, which is not a setting; did you mean {setting}? "
            "If it is your own, rename it"
        )


@cache
def _similar_setting(name: str, kind: str) -> str | None:
    """Return the setting that a name was probably meant for; case and separators don't matter."""
    similarities = {setting: _similarity(name, setting) for setting in sorted(SETTINGS[kind])}
    best = max(similarities, key=similarities.__getitem__)
    return best if similarities[best] >= _MIN_SIMILARITY else None


def _similarity(name: str, other: str) -> float:
    """Return how similar two names are, 0 to 1; 0 also if the words they don't share differ."""
    words, other_words = (
        [word.casefold() for word in _WORD.findall(text)] for text in (name, other)
    )
    whole = _ratio("".join(words), "".join(other_words))
    rest = "".join(word for word in words if word not in other_words)
    other_rest = "".join(word for word in other_words if word not in words)
    return whole if whole == 1 or _ratio(rest, other_rest) >= _MIN_WORD_SIMILARITY else 0.0


def _ratio(text: str, other: str) -> float:
    return SequenceMatcher(None, text, other, autojunk=False).ratio()


def _quoted(name: str) -> str:
    """Return a name as it can stand in one line of text."""
    return name if name.isidentifier() else json.dumps(name)
