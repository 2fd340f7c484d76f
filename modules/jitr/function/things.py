"""How a thing is named and described after its certificate. Pure: nothing here calls AWS."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from .errors import PermanentFailure
from .settings import Settings
from .subject import Subject

# ThingName and AttributeValue of the API; the value's newer characters (=, [ and ]) are left out.
THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")
NOT_IN_A_VALUE = re.compile(r"[^a-zA-Z0-9_.,@/:#-]")
VALUE_LENGTH = 800

ATTRIBUTES_WITHOUT_TYPE = 3
ATTRIBUTES_WITH_TYPE = 50


def thing_name_of(subject: Subject) -> str:
    """The name of the device's thing: the common name of its certificate.

    Raises PermanentFailure if there is none, more than one, or one that no thing can have.
    """
    names = subject.get("CommonName", [])
    if len(names) != 1:
        count = "no common name" if not names else f"{len(names)} common names"
        raise PermanentFailure(
            "subject", f"the certificate's subject has {count}; a thing needs exactly one"
        )
    if not THING_NAME.fullmatch(names[0]):
        raise PermanentFailure(
            "subject",
            f"the certificate's common name {names[0][:128]!a} cannot be the name of a thing: "
            "1 to 128 letters, digits, ':', '_' and '-'",
        )
    return names[0]


def attributes_of(subject: Subject, settings: Settings) -> dict[str, str]:
    """The attributes of the device's thing, the most important first.

    Where there is no room for all of them the CA's ID comes first, then its mode, then the others
    in the order of their names, which is the one that Terraform sends them in.
    """
    attributes = {
        "ca_certificate_id": settings.ca_certificate_id,
        "ca_certificate_mode": settings.ca_certificate_mode,
    }
    for name, field in settings.subject_attributes.items():
        value = attribute_value(",".join(subject.get(field, [])))
        if value:
            attributes[name] = value
    return attributes


def attribute_value(text: str) -> str:
    """`text` as AWS IoT takes it: accents off, anything else that it refuses as `_`, cut to fit."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return NOT_IN_A_VALUE.sub("_", plain)[:VALUE_LENGTH]


def missing_attributes(
    present: Mapping[str, str], wanted: Mapping[str, str], has_type: bool
) -> dict[str, str]:
    """What must be added to, or changed at, a thing that has `present` (a new one has nothing).

    Attributes that somebody else gave it stay; of the wanted ones as many as there is room for
    (AWS IoT refuses more: three without a thing type, 50 with one), in their order.
    """
    limit = ATTRIBUTES_WITH_TYPE if has_type else ATTRIBUTES_WITHOUT_TYPE
    room = limit - len(present)
    missing: dict[str, str] = {}
    for name, value in wanted.items():
        if name in present:
            if present[name] != value:
                missing[name] = value
        elif room > 0:
            missing[name] = value
            room -= 1
    return missing
