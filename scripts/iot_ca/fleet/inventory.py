"""The accounts, regions and CAs of a fleet, read from the file that Terraform reads them from.

Text goes in and frozen dataclasses come out; AWS is not asked. Only values count, as in any
`.tfvars` file: an expression in a part that is needed is refused. Variables that this program does
not know belong to the user's own configuration and are left alone. So are attributes, which are
noted; one that looks like a misspelled setting is refused, or its default would count in silence.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache
from pathlib import Path
from typing import Any, get_args

from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.model import CertificateMode, Credentials, DesiredCa, Status, Target

HCL_SUFFIXES = (".tfvars", ".hcl")

# What may stand in an account, a region, a CA and a CA's provisioning. Beside what is read here,
# the attributes of the root module's variable: the next plan compares those.
_OF_A_PLACE = frozenset(
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
    "account": _OF_A_PLACE
    | {"account_id", "certificate_authorities", "external_id", "profile", "region", "regions"}
    | {"role_arn", "session_name"},
    "region": _OF_A_PLACE | {"certificate_authorities"},
    "CA": _OF_A_PLACE | {"certificate_file", "certificate_pem"},
    "provisioning": frozenset(
        {
            "alarm_actions",
            "create_role",
            "device_policy",
            "hook_function_arn",
            "log_retention_days",
            "on_refusal",
            "permissions_boundary_arn",
            "reserved_concurrency",
            "role_arn",
            "runtime",
            "subject_attributes",
            "template_body",
            "template_name",
            "thing_type_name",
            "type",
        }
    ),
}
# Which maps of a layer hold further layers; "" is the file.
_INSIDE = {
    "": {"certificate_authorities": "CA", "accounts": "account", "regions": "region"},
    "account": {"certificate_authorities": "CA", "regions": "region"},
    "region": {"certificate_authorities": "CA"},
}
# How alike two names must be to be taken for one, and the words that they don't share: these tell
# `certificate_id` from `certificate_file`.
_ALIKE, _WORDS_ALIKE = 0.82, 0.6

_WORD = re.compile(r"[A-Z]?[^\W_A-Z]+|[A-Z]+")
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2,}(-[a-z]+)+-[0-9]+")
# HCL native syntax specification, "Template Expressions": what a quoted string may escape.
_ESCAPE = re.compile(
    r"\\(?:([nrt\"\\])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))|([$%])\4\{|([$%])\{|\\"
)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}


@dataclass(frozen=True)
class Wanted:
    """One CA as one account and region should have it.

    Attributes:
        authority: the settings; those that the file leaves out have the root module's defaults.
        template_matters: whether the file says anything about the template. Where it does not,
            any template is as good as none.
    """

    authority: DesiredCa
    template_matters: bool


@dataclass(frozen=True, eq=False)
class Place:
    """One account in one region, by the account's name in the file, and the CAs wanted there.

    Two places are never the same, whatever is in them.
    """

    account: str
    target: Target
    wanted: Mapping[str, Wanted]


@dataclass(frozen=True)
class Fleet:
    """All places of the file in its order, and the CAs by their names.

    `unread` are the attributes that are no settings, each once, with what has them.
    """

    places: tuple[Place, ...]
    certificates: Mapping[str, Certificate]
    unread: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Layer:
    """Where a setting may be written, and what it is called in an error."""

    settings: Mapping[str, Any]
    where: str


@dataclass(frozen=True)
class _Kind(_Layer):
    """A layer, and which of `SETTINGS` may stand there."""

    kind: str


def read(paths: Sequence[Path], cas: Sequence[str] = (), regions: Sequence[str] = ()) -> Fleet:
    """The fleet of these files; of a variable in several of them the last counts, as in Terraform.

    Args:
        paths: `.tfvars`, `.hcl` or `.tfvars.json` files.
        cas: `NAME=FILE` each; they take the place of the CAs that the files name.
        regions: those of an account that names none.

    Raises Failure for the first thing that is wrong.
    """
    variables: dict[str, Any] = {}
    for path in paths:
        variables.update(_load(path))
    unread = _unread(variables)
    folders = [path.parent for path in reversed(paths)]
    named = _object(variables.get("certificate_authorities"), "certificate_authorities")
    found = _given(cas) if cas else _in_file(variables, named, folders)
    if not found:
        raise Failure(
            "no CA is named; give --ca NAME=FILE.pem, or certificate_file or "
            "certificate_authorities in the file"
        )
    _refuse_twins(found)
    accounts = _object(variables.get("accounts"), "accounts")
    if not accounts:
        raise Failure("the file names no accounts; it needs a map `accounts`, each with account_id")
    elsewhere = _regions(_Layer(variables, "the file")) or {each: {} for each in regions}
    places = tuple(
        place
        for name, value in accounts.items()
        for place in _places(name, value, named, found, elsewhere, strict=not cas)
    )
    return Fleet(places, found, unread)


def notes(fleet: Fleet) -> list[str]:
    """What to know about the file beside the rows; none of it changes the exit status."""
    unread = ", ".join(fleet.unread)
    told = [f"left alone, for status has no such setting: {unread}"] if unread else []
    return contradictions(fleet) + told


def contradictions(fleet: Fleet) -> list[str]:
    """What no AWS can fulfil: one CA in DEFAULT mode in several accounts of one region."""
    holders: dict[tuple[str, str], list[str]] = {}
    for place in fleet.places:
        for ca, wanted in place.wanted.items():
            if wanted.authority.certificate_mode == "DEFAULT":
                holders.setdefault((ca, place.target.region), []).append(place.account)
    return [
        f"{', '.join(accounts)} all want {ca} in DEFAULT mode in {region}, and only one account of "
        "a region may hold it so"
        for (ca, region), accounts in holders.items()
        if len(accounts) > 1
    ]


def parse_hcl(text: str, where: str) -> dict[str, Any]:
    """The variables in HCL text, strings still as they are written: `_plain` reads what is needed.

    `accounts` and the like may also stand in `inputs` or `locals`, where Terragrunt has them.
    """
    try:
        import hcl2
        from hcl2 import SerializationOptions
    except ImportError:  # the older versions lack the second
        raise Failure(
            f"{where} is HCL, and python-hcl2 8 or later is not installed; install it with "
            "`python3 -m pip install 'python-hcl2>=8'`, or give a .tfvars.json file"
        ) from None
    options = SerializationOptions(with_comments=False, preserve_heredocs=False)
    try:
        document = hcl2.loads(text, serialization_options=options)
    except Exception as error:
        # Not its own text, which quotes the file.
        line = getattr(error, "line", None)
        at = f"line {line}" if isinstance(line, int) and line > 0 else "its end"
        raise Failure(f"{where} is not valid HCL at {at}") from None
    inner = [document.get("inputs")]
    blocks = document.get("locals")
    inner += blocks if isinstance(blocks, list) else [blocks]
    found: dict[str, Any] = {}
    for each in [*inner, document]:
        if isinstance(each, dict):
            found.update(each)
    return found


def _load(path: Path) -> dict[str, Any]:
    json_text = path.suffix == ".json"
    if not json_text and path.suffix not in HCL_SUFFIXES:
        raise Failure(f"{path} is no .tfvars, .hcl or .tfvars.json file")
    text = _text_of(path)
    known = {"accounts", "certificate_authorities", "certificate_file", "region", "regions"}
    if not json_text:
        written = parse_hcl(text, str(path))
        return {key: _plain(written[key], key) for key in known & written.keys()}
    try:
        document = _object(json.loads(text), str(path))
        found = {key: document[key] for key in known & document.keys()}
        broken = [
            key for key in found if not _encodable(json.dumps(found[key], ensure_ascii=False))
        ]
    except (ValueError, RecursionError):
        raise Failure(f"{path} is not valid JSON") from None
    if broken:
        raise Failure(f"{broken[0]} holds a character that Unicode does not have")
    return found


def _encodable(text: str) -> bool:
    """Whether it can be written: half of a surrogate pair, such as U+D800 alone, can't."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Failure(f"{path} can't be read: {error.strerror or type(error).__name__}") from None
    except UnicodeDecodeError:
        raise Failure(f"{path} is not UTF-8") from None
    except ValueError:  # a zero character, which no system has in a path
        raise Failure(f"{json.dumps(str(path))} can't be the path of a file") from None


def _plain(value: Any, where: str) -> Any:
    """A value of python-hcl2 as JSON would have it; raises Failure for an expression."""
    if isinstance(value, dict):
        return {
            _string(key, where) if key.startswith(('"', "${")) else key: _plain(item, where)
            for key, item in value.items()
            if key != "__is_block__"
        }
    if isinstance(value, list):
        return [_plain(item, where) for item in value]
    return _string(value, where) if isinstance(value, str) else value


def _string(written: str, where: str) -> str:
    """A string without its quotes and escapes."""
    if len(written) < 2 or not written.startswith('"') or not written.endswith('"'):
        raise Failure(f"{where} holds an expression; only values can be read here")

    def character(match: re.Match[str]) -> str:
        simple, short, long, doubled, opened = match.groups()
        if simple:
            return _ESCAPED[simple]
        if short or long:
            return chr(int(short or long, 16))
        if doubled:
            return doubled + "{"
        what = "an expression" if opened else "an escape that HCL does not have"
        raise Failure(f"{where} holds {what}; only values can be read here")

    try:
        text = _ESCAPE.sub(character, written[1:-1])
        _ = text.encode()  # half of a surrogate pair raises a ValueError too
    except (ValueError, OverflowError):
        raise Failure(f"{where} holds a character that Unicode does not have") from None
    return text


def _given(cas: Sequence[str]) -> dict[str, Certificate]:
    found: dict[str, Certificate] = {}
    for each in cas:
        name, sign, path = each.partition("=")
        if not name or not sign or not path:
            raise Failure("--ca takes NAME=FILE, such as --ca root-2025=root-2025.pem")
        if not _encodable(name):
            raise Failure("--ca has a name that is not UTF-8")
        if name in found:
            raise Failure(f"--ca names {name} twice")
        found[name] = _certificate(_text_of(Path(path)), name)
    return found


def _in_file(
    variables: Mapping[str, Any], named: Mapping[str, Any], folders: Sequence[Path]
) -> dict[str, Certificate]:
    """The CAs of `certificate_authorities`, else the one of `certificate_file`, as the examples."""
    found: dict[str, Certificate] = {}
    for name, value in named.items():
        where = f"certificate_authorities[{json.dumps(name)}]"
        layer = _Layer(_object(value, where), where)
        pem = _text(layer, "certificate_pem")
        file = _text(layer, "certificate_file")
        if (pem is None) == (file is None):
            raise Failure(f"{where} needs either certificate_file or certificate_pem")
        text = pem if file is None else _text_of(_beside(file, folders))
        found[name] = _certificate(text or "", name)
    only = None if found else _text(_Layer(variables, "the file"), "certificate_file")
    if only is not None:
        path = _beside(only, folders)
        found[path.stem] = _certificate(_text_of(path), path.stem)
    return found


def _beside(file: str, folders: Sequence[Path]) -> Path:
    """A path in a file is relative to its folder, else to the working folder, as for Terraform."""
    for folder in folders:
        # A name that is too long is an error to `exists`; opening it says so in words.
        with suppress(OSError):
            if (folder / file).exists():
                return folder / file
    return Path(file)


def _certificate(text: str, name: str) -> Certificate:
    try:
        certificate = pem.read(text)
        pem.parse(certificate)
    except Failure as failure:
        raise Failure(f"CA {name}: {failure}") from None
    return certificate


def _refuse_twins(found: Mapping[str, Certificate]) -> None:
    names: dict[str, str] = {}
    for name, certificate in found.items():
        first = names.setdefault(certificate.certificate_id, name)
        if first != name:
            raise Failure(f"{first} and {name} are the same certificate; keep one of the names")


def _places(
    name: str,
    value: Any,
    named: Mapping[str, Any],
    found: Mapping[str, Certificate],
    elsewhere: Mapping[str, Mapping[str, Any]],
    strict: bool,
) -> Iterator[Place]:
    where = f"accounts[{json.dumps(name)}]"
    account = _Layer(_object(value, where), where)
    account_id = _text(account, "account_id")
    if account_id is None or not _ACCOUNT_ID.fullmatch(account_id):
        raise Failure(f"{where}.account_id must be twelve digits, in quotes")
    credentials = Credentials(
        *(_text(account, key) for key in ("profile", "role_arn", "external_id", "session_name"))
    )
    regions = _regions(account) or elsewhere
    if not regions:
        raise Failure(f"{where} has no region; set region or regions there, or give --region")
    for region, settings in regions.items():
        there = f"{where}.regions[{json.dumps(region)}]"
        if not _REGION.fullmatch(region):
            raise Failure(f"{there} is no AWS region")
        local = _Layer(_object(settings, there), there)
        chosen = _chosen(local) or _chosen(account) or {ca: _Layer({}, "") for ca in found}
        unknown = sorted(chosen.keys() - found.keys())
        if unknown and strict:
            raise Failure(f"{where} names the CA {unknown[0]}, which the file does not have")
        wanted = {}
        for ca in found:
            if ca in chosen:
                general = _Layer(
                    _object(named.get(ca), "certificate_authorities"),
                    f"certificate_authorities[{json.dumps(ca)}]",
                )
                wanted[ca] = _wanted(ca, found[ca], [chosen[ca], local, account, general])
        yield Place(name, Target(account_id, region, credentials), wanted)


def _regions(layer: _Layer) -> dict[str, Mapping[str, Any]]:
    """`region`, or `regions`: a list of names, or a map of them to their own settings."""
    written = layer.settings.get("regions")
    one = _text(layer, "region")
    if written is None:
        return {} if one is None else {one: {}}
    if one is not None:
        raise Failure(f"{layer.where} has both region and regions; keep one")
    return {name: _object(item, name) for name, item in _names(written, layer, "regions").items()}


def _chosen(layer: _Layer) -> dict[str, _Layer]:
    """The CAs that a place is limited to, with settings of their own; empty where it is not."""
    written = layer.settings.get("certificate_authorities")
    if written is None:
        return {}
    where = f"{layer.where}.certificate_authorities"
    return {
        name: _Layer(_object(item, where), f"{where}[{json.dumps(name)}]")
        for name, item in _names(written, layer, "certificate_authorities").items()
    }


def _unread(variables: Mapping[str, Any]) -> tuple[str, ...]:
    """The attributes that are no settings, as `name (account)`; Failure for a misspelled setting.

    What has the wrong type is passed over: who reads it says so.
    """
    found: dict[str, None] = {}
    for layer in _layers(variables):
        for key in layer.settings:
            if key in SETTINGS[layer.kind]:
                continue
            meant = _meant(key, layer.kind)
            if meant is not None:
                raise Failure(
                    f"{layer.where} has {_shown(key)}, which is no setting; did you mean {meant}? "
                    "If it is your own, rename it"
                )
            found[f"{_shown(key)} ({layer.kind})"] = None
    return tuple(found)


def _layers(settings: Mapping[str, Any], where: str = "", kind: str = "") -> Iterator[_Kind]:
    """Every account, region, CA and provisioning, however deep; no `kind` is the file itself."""
    if kind:
        yield _Kind(settings, where, kind)
    for name, kind_inside in _INSIDE.get(kind, {}).items():
        items = settings.get(name)
        for key, item in items.items() if isinstance(items, dict) else ():
            if isinstance(item, dict):
                inside = f"{where}.{name}[{json.dumps(key)}]".removeprefix(".")
                yield from _layers(item, inside, kind_inside)
    provisioning = settings.get("provisioning")
    if kind in ("account", "region", "CA") and isinstance(provisioning, dict):
        yield _Kind(provisioning, f"{where}.provisioning", "provisioning")


@cache
def _meant(key: str, kind: str) -> str | None:
    """The setting that a name was probably meant for; case and separators don't matter."""
    alike = {name: _likeness(key, name) for name in sorted(SETTINGS[kind])}
    best = max(alike, key=alike.__getitem__)
    return best if alike[best] >= _ALIKE else None


def _likeness(one: str, other: str) -> float:
    """How alike two names are, 0 to 1; 0 too if the words they don't share are quite different."""
    words, others = ([word.casefold() for word in _WORD.findall(each)] for each in (one, other))
    whole = _ratio("".join(words), "".join(others))
    rest = "".join(word for word in words if word not in others)
    other_rest = "".join(word for word in others if word not in words)
    return whole if whole == 1 or _ratio(rest, other_rest) >= _WORDS_ALIKE else 0.0


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _shown(key: str) -> str:
    return key if key.isidentifier() else json.dumps(key)


def _names(written: Any, layer: _Layer, key: str) -> dict[str, Any]:
    if isinstance(written, list) and all(isinstance(each, str) for each in written):
        written = {each: {} for each in written}
    if not isinstance(written, dict) or not written:
        raise Failure(f"{layer.where}.{key} must be a list of names or a map by name")
    return written


def _wanted(name: str, certificate: Certificate, layers: Sequence[_Layer]) -> Wanted:
    """Each setting from the first layer that has it, else as the root module has it by default."""
    default = DesiredCa(certificate.pem)
    mode: CertificateMode = default.certificate_mode
    status: Status = default.status
    flag, template, matters = default.auto_registration, default.template_name, False
    for layer in reversed(layers):
        mode = _choice(layer, "certificate_mode", get_args(CertificateMode), mode)
        status = _choice(layer, "status", get_args(Status), status)
        flag = _flag(layer, "auto_registration", flag)
        provisioning = _object(layer.settings.get("provisioning"), f"{layer.where}.provisioning")
        if provisioning:
            inner = _Layer(provisioning, f"{layer.where}.provisioning")
            named = _text(inner, "template_name") or name
            template, matters = (named if provisioning.get("type") == "JITP" else None), True
        if layer.settings.get("template_name") is not None:
            # An empty name says that there must be no template.
            template, matters = _text(layer, "template_name") or None, True
    return Wanted(
        DesiredCa(certificate.pem, mode, status, flag, template),
        template_matters=matters,
    )


def _object(value: Any, where: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Failure(f"{where} must be an object")
    return value


def _text(layer: _Layer, key: str) -> str | None:
    """A string; a number is taken for its digits, as Terraform does."""
    value = layer.settings.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int | None):
        raise Failure(f"{layer.where}.{key} must be a string")
    return None if value is None else str(value)


def _flag(layer: _Layer, key: str, default: bool) -> bool:
    value = layer.settings.get(key)
    if value is None:
        return default
    if value in ("true", "false"):  # as text, which Terraform takes too
        return bool(value == "true")
    if not isinstance(value, bool):
        raise Failure(f"{layer.where}.{key} must be true or false")
    return value


def _choice(layer: _Layer, key: str, choices: Sequence[str], default: Any) -> Any:
    value = layer.settings.get(key)
    if value is not None and value not in choices:
        raise Failure(f"{layer.where}.{key} must be {' or '.join(map(json.dumps, choices))}")
    return default if value is None else value
