"""Who saw what was hidden: a line for every disclosure, on the disk before it is made."""

import os
import pwd
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from app.settings import RUN_DIR, Settings
from streaming.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLog:
    """A file of JSON lines that only grows, readable by its owner only."""

    path: Path

    @classmethod
    def of(cls, settings: Settings) -> "AuditLog":
        """The file that `settings` name."""
        return cls(path=Path(settings.audit_file) if settings.audit_file else RUN_DIR / "audit.jsonl")

    def record(self, action: str, *, key_id: str, fields: Sequence[str], **more: Any) -> None:
        """Write down what is about to be shown: by which key, which fields; never their values.

        Returns when the line is on the disk. Raises ConfigError where it cannot be: show nothing then.
        `sudo_user` is what the environment says, which the user may have set.
        """
        line = {
            "time": datetime.now(UTC),
            "user": _user(),
            "sudo_user": os.environ.get("SUDO_USER"),
            "host": socket.gethostname(),
            "action": action,
            "key_id": key_id,
            "fields": list(fields),
            **more,
        }
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                text = msgspec.json.encode(line) + b"\n"
                if os.write(descriptor, text) < len(text):
                    raise ConfigError(f"the audit file {self.path} is not written: the disk is full")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            raise ConfigError(
                f"the audit file {self.path} cannot be written: {error.strerror}; nothing is shown without it"
            ) from None


def _user() -> str:
    """The account that this process runs under, by the system and not by the environment."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
