"""`data "archive_file"` as hashicorp/archive 2.7 keeps it, for zip files.

The same input gives the same bytes on every machine, but not those of the real provider: its
compressor is another.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tf.blocks import SetNestedBlock
from tf.schema import Attribute, Block, Schema
from tf.types import Bool, Number, Set, String, Unknown

SOURCES = ("source_file", "source_dir", "source_content_filename", "source")
COMPUTED = (
    "id",
    "output_md5",
    "output_sha",
    "output_sha256",
    "output_base64sha256",
    "output_sha512",
    "output_base64sha512",
)
TEXTS = ("source_content", "source_content_filename", "source_file", "source_dir")
EPOCH = (1980, 1, 1, 0, 0, 0)


class ArchiveFile:
    """The data source."""

    @classmethod
    def get_name(cls) -> str:
        return "_file"

    @classmethod
    def get_schema(cls) -> Any:
        source = Block(
            attributes=[
                Attribute("content", String(), required=True),
                Attribute("filename", String(), required=True),
            ]
        )
        return Schema(
            attributes=[
                Attribute("type", String(), required=True),
                Attribute("output_path", String(), required=True),
                Attribute("output_file_mode", String(), optional=True),
                Attribute("excludes", Set(String()), optional=True),
                Attribute("exclude_symlink_directories", Bool(), optional=True),
                *(Attribute(name, String(), optional=True) for name in TEXTS),
                Attribute("output_size", Number(), computed=True),
                *(Attribute(name, String(), computed=True) for name in COMPUTED),
            ],
            block_types=[SetNestedBlock("source", source)],
        )

    def validate(self, diagnostics: Any, type_name: str, config: dict[str, Any]) -> None:
        given = [name for name in SOURCES if config[name] is Unknown or config[name]]
        if not given:
            diagnostics.add_error(
                "Missing Attribute Configuration",
                "At least one of these attributes must be configured: "
                "[source,source_content_filename,source_file,source_dir]",
            )
        if len(given) > 1:
            diagnostics.add_error(
                "Invalid Attribute Combination",
                f'Attribute "{given[1]}" cannot be specified when "{given[0]}" is specified',
                path=[given[0]],
            )

    def read(self, context: Any, config: dict[str, Any]) -> dict[str, Any] | None:
        output = Path(config["output_path"])
        try:
            if config["type"] != "zip":
                raise ValueError(f"archive type not supported: {config['type']}")
            entries = list(_entries(config))
            if not entries:
                raise ValueError("archive has not been created as it would be empty")
            output.parent.mkdir(parents=True, exist_ok=True)
            _write(output, entries, config["output_file_mode"])
        except (OSError, ValueError) as error:
            context.diagnostics.add_error(
                "Archive creation error", f"error creating archive: {error}"
            )
            return None
        return {**config, **_facts(output.read_bytes())}


Entry = tuple[str, bytes, int]


def _entries(config: dict[str, Any]) -> Iterator[Entry]:
    if config["source_dir"] is not None:
        folder = Path(config["source_dir"])
        if not folder.is_dir():
            raise ValueError(
                f"error archiving directory: could not archive missing directory: {folder}"
            )
        patterns = [glob_pattern(text) for text in config["excludes"] or () if text]
        with_links = not config["exclude_symlink_directories"]
        yield from _walk(folder, "", patterns, with_links)
    elif config["source_file"] is not None:
        file = Path(config["source_file"])
        if not file.is_file():
            raise ValueError(f"error archiving file: could not archive missing file: {file}")
        yield file.name, file.read_bytes(), file.stat().st_mode
    elif config["source_content_filename"] is not None:
        yield config["source_content_filename"], (config["source_content"] or "").encode(), 0o644
    else:
        for source in sorted(config["source"], key=lambda item: str(item["filename"])):
            yield source["filename"], source["content"].encode(), 0o644


def _walk(
    folder: Path, below: str, excludes: list[re.Pattern[str]], with_links: bool
) -> Iterator[Entry]:
    for path in sorted(folder.iterdir()):
        name = f"{below}{path.name}"
        if any(pattern.fullmatch(name) for pattern in excludes):
            continue
        if path.is_dir():
            if with_links or not path.is_symlink():
                yield from _walk(path, f"{name}/", excludes, with_links)
        else:
            yield name, path.read_bytes(), path.stat().st_mode


def glob_pattern(text: str) -> re.Pattern[str]:
    """A pattern with `*`, `?`, `[...]`, `{a,b}` and `**` as a regular expression for a whole path.

    Raises ValueError if it cannot be one.
    """
    parts = {
        "**/": "(?:.*/)?",
        "**": ".*",
        "*": "[^/]*",
        "?": "[^/]",
        "{": "(?:",
        "}": ")",
        ",": "|",
    }
    tokens = re.findall(r"\*\*/|\*\*|\[[^]]+\]|.", text)
    braced = "{" in text and "}" in text
    plain = () if braced else ("{", "}", ",")
    try:
        return re.compile(
            "".join(
                token.replace("[!", "[^")
                if len(token) > 2 and token[0] == "["
                else parts.get(token, re.escape(token))
                if token not in plain
                else re.escape(token)
                for token in tokens
            )
        )
    except re.error as error:
        raise ValueError(f"error checking excludes matches: {text}: {error}") from error


def _write(output: Path, entries: list[Entry], file_mode: str | None) -> None:
    # Built aside and moved into place: several modules may be given the same path at once.
    temporary = output.with_name(f".{output.name}.{os.getpid()}.{id(entries)}")
    with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, mode in entries:
            header = zipfile.ZipInfo(name, EPOCH)
            header.compress_type = zipfile.ZIP_DEFLATED
            header.create_system = 3
            header.external_attr = (int(file_mode, 8) if file_mode else mode) << 16
            archive.writestr(header, content)
    temporary.replace(output)


def _facts(content: bytes) -> dict[str, Any]:
    sha1 = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    sha256, sha512 = hashlib.sha256(content), hashlib.sha512(content)
    return {
        "id": sha1,
        "output_size": len(content),
        "output_md5": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "output_sha": sha1,
        "output_sha256": sha256.hexdigest(),
        "output_base64sha256": base64.b64encode(sha256.digest()).decode(),
        "output_sha512": sha512.hexdigest(),
        "output_base64sha512": base64.b64encode(sha512.digest()).decode(),
    }
