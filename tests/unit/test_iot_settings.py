"""What the settings say of MQTT; keys from the file that docs/iot.md makes."""

import re
import subprocess
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from app.iot import field_cipher_of, iot_connection_of, reader_of
from app.settings import PROJECT_DIR, Settings
from streaming.errors import ConfigError
from tests.messages import location_message

FIELDS, BOUND_TO = {"Latitude", "Longitude"}, {"DeviceId", "Time"}


def test_the_documented_command_makes_a_key_that_only_its_owner_reads(tmp_path: Path) -> None:
    """As it stands there, in a shell."""
    text = (PROJECT_DIR / "docs" / "iot.md").read_text()
    command = re.search(r"^\(umask .*\)$", text, re.MULTILINE)
    assert command
    subprocess.run(["sh", "-c", command[0]], cwd=tmp_path, check=True)
    path = tmp_path / "fields.key"
    assert path.stat().st_mode & 0o777 == 0o600
    cipher = field_cipher_of(Settings(iot_field_keys_file=str(path)))
    assert cipher.opened(cipher.sealed(location_message(), FIELDS, BOUND_TO)) == location_message()


def test_a_key_file_holds_several_keys_and_remarks(tmp_path: Path) -> None:
    """The newest first; editors leave blanks and empty lines."""
    path, new, old = tmp_path / "keys", Fernet.generate_key(), Fernet.generate_key()
    path.write_bytes(b"# new\r\n " + new + b"\r\n\n#old\n" + old)
    cipher = field_cipher_of(Settings(iot_field_keys_file=str(path)))
    token = str(cipher.sealed(location_message(), FIELDS, BOUND_TO)["Encrypted"])
    assert Fernet(new).decrypt(token)
    with_old = Fernet(old).encrypt(b"{}").decode()
    assert cipher.opened({"Encrypted": with_old}) == {}


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"c2hvcnQ=\n", b"\xff\xfe\n", b"secret-secret\n"])
def test_a_wrong_key_file_is_named_and_not_quoted(content: bytes, tmp_path: Path) -> None:
    """What stands in it may be most of a key."""
    path = tmp_path / "keys"
    path.write_bytes(content)
    with pytest.raises(
        ConfigError, match=r"SMARTBANK_IOT_FIELD_KEYS_FILE is .*wanted one key a line"
    ) as refused:
        field_cipher_of(Settings(iot_field_keys_file=str(path)))
    assert "secret-secret" not in str(refused.value)


def test_what_is_missing_is_named() -> None:
    """Before anything is connected."""
    with pytest.raises(ConfigError, match="SMARTBANK_IOT_ENDPOINT is empty"):
        iot_connection_of(Settings(), "bridge")
    with pytest.raises(ConfigError, match="SMARTBANK_IOT_CERT_FILE is empty"):
        iot_connection_of(Settings(iot_endpoint="localhost"), "bridge")
    with pytest.raises(ConfigError, match="SMARTBANK_IOT_CERT_FILE is '/absent', which cannot be read"):
        iot_connection_of(Settings(iot_endpoint="localhost", iot_cert_file="/absent"), "bridge")
    with pytest.raises(ConfigError, match="SMARTBANK_IOT_TOPIC_FILTER is 'a#': not an MQTT topic filter"):
        reader_of(Settings(iot_topic_filter="a#"))
    with pytest.raises(ConfigError, match="SMARTBANK_IOT_FIELD_KEYS_FILE must name its keys"):
        reader_of(Settings(iot_encryption="required"))


@pytest.mark.parametrize(
    ("name", "value"), [("RECEIVE_MAXIMUM", "65536"), ("SESSION_EXPIRY_S", "4294967296")]
)
def test_what_the_protocol_has_no_room_for_is_refused(name: str, value: str) -> None:
    """MQTT 5 has 16 and 32 bits for them."""
    with pytest.raises(
        ConfigError, match=f"SMARTBANK_IOT_{name} is '{value}'; it must be at least 1 and at most"
    ):
        Settings.from_env({f"SMARTBANK_IOT_{name}": value})
