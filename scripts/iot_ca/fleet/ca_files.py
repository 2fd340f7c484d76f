"""The certificates of a fleet's CAs: from the command line, or from the variables of a file."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from iot_ca.certificates import pem
from iot_ca.certificates.pem import Certificate
from iot_ca.errors import Failure
from iot_ca.fleet.layers import Layer, require_object
from iot_ca.fleet.variable_files import is_encodable, read_text


def from_options(options: Sequence[str]) -> dict[str, Certificate]:
    """Return the certificates of `--ca` options, `NAME=FILE` each, by name."""
    certificates: dict[str, Certificate] = {}
    for option in options:
        name, sign, path = option.partition("=")
        if not name or not sign or not path:
            raise Failure("--ca takes NAME=FILE, such as --ca root-2025=root-2025.pem")
        if not is_encodable(name):
            raise Failure("--ca has a name that is not UTF-8")
        if name in certificates:
            raise Failure(f"--ca names {name} twice")
        certificates[name] = _certificate(read_text(Path(path)), name)
    return certificates


def from_variables(variables: Mapping[str, Any], folders: Sequence[Path]) -> dict[str, Certificate]:
    """Return the certificates of `certificate_authorities`, else the one of `certificate_file`.

    A relative path starts at the first of `folders` that has the file, else at the working folder,
    as for Terraform. The CA of `certificate_file` has the file's name without its suffix.
    """
    certificates: dict[str, Certificate] = {}
    for name, settings in ca_settings(variables).items():
        path = f"certificate_authorities[{json.dumps(name)}]"
        layer = Layer(require_object(settings, path), path)
        text, file = layer.text("certificate_pem"), layer.text("certificate_file")
        if (text is None) == (file is None):
            raise Failure(f"{path} needs either certificate_file or certificate_pem")
        if file is not None:
            text = read_text(_resolve(file, folders))
        certificates[name] = _certificate(text or "", name)
    single = None if certificates else Layer(variables, "the file").text("certificate_file")
    if single is not None:
        file_path = _resolve(single, folders)
        certificates[file_path.stem] = _certificate(read_text(file_path), file_path.stem)
    return certificates


def ca_settings(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of the CAs that the variables name, by name."""
    return require_object(variables.get("certificate_authorities"), "certificate_authorities")


def require_distinct(certificates: Mapping[str, Certificate]) -> None:
    """Raise Failure if one certificate has two names."""
    names: dict[str, str] = {}
    for name, certificate in certificates.items():
        first_name = names.setdefault(certificate.certificate_id, name)
        if first_name != name:
            raise Failure(
                f"{first_name} and {name} are the same certificate; keep one of the names"
            )


def _resolve(file: str, folders: Sequence[Path]) -> Path:
    for folder in folders:
        # `exists` raises OSError for a name that is too long; opening the file reports it.
        with suppress(OSError):
            if (folder / file).exists():
                return folder / file
    return Path(file)


def _certificate(text: str, name: str) -> Certificate:
    try:
        certificate = pem.read(text)
        pem.validity(pem.parse(certificate))
    except Failure as failure:
        raise Failure(f"CA {name}: {failure}") from None
    except ValueError:  # a date that Python does not have, such as one in the year 0
        raise Failure(f"CA {name}: the certificate's dates can't be read") from None
    return certificate
