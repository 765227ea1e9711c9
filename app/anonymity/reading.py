"""The generalisation hierarchies, from their file or as they come with the package."""

import tomllib
from pathlib import Path
from typing import Final

from app.settings import PREFIX, Settings
from privacy.anonymity.hierarchies import Hierarchies
from streaming.errors import ConfigError

_DEFAULT: Final = Path(__file__).with_name("hierarchies.toml")


def hierarchies_of(settings: Settings) -> Hierarchies:
    """Read what `settings` name. Raises ConfigError that names file, and line or table and field."""
    path = Path(settings.anonymity_hierarchies_file or _DEFAULT)
    try:
        return Hierarchies.of(tomllib.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror} ({PREFIX}ANONYMITY_HIERARCHIES_FILE)"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: is no TOML: {error}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None
