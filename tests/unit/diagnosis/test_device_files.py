"""The device's files: a wrong one is named once, in words for a device."""

from __future__ import annotations

from pathlib import Path

import pytest

from iot_ca.diagnosis.device_files import read_device
from iot_ca.errors import Failure
from tests.support.certificates import ec_key, key_pem


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "can't be read: No such file or directory"),
        ("x", "holds no PEM certificate (-----BEGIN CERTIFICATE-----)"),
        (key_pem(ec_key()), "holds a private key; give a file of certificates alone"),
    ],
)
def test_a_wrong_file_is_named_once_and_in_words_for_a_device(
    tmp_path: Path, text: str | None, message: str
) -> None:
    path = tmp_path / "device.pem"
    if text is not None:
        path.write_text(text, encoding="ascii")
    with pytest.raises(Failure) as raised:
        read_device(path, None, None, sends_server_name=True)
    assert str(raised.value) == f"{path} {message}"
