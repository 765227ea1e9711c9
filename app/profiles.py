"""The profiles that there are: those that are built in, and those of the file that the settings name."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from app.settings import PREFIX, Settings
from detection.profile import EnvelopeProfile, PaperProfile, Profile
from streaming.errors import ConfigError

_BASE: Final = "base"
_DEFAULT_BASE: Final = "envelope"


def profile_of(settings: Settings, name: str = "") -> Profile:
    """The profile of that name, or the one that `settings` choose. Raises ConfigError where there is none."""
    known = profiles_of(settings)
    wanted = name or settings.profile
    if wanted not in known:
        whence = f", {settings.profiles_file} included" if settings.profiles_file else ""
        raise ConfigError(
            f"{wanted!r} is no profile; there are {', '.join(known)}{whence}; more are defined in a TOML file"
            f" that {PREFIX}PROFILES_FILE names (docs/profiles.md)"
        )
    return known[wanted]


def profiles_of(settings: Settings) -> dict[str, Profile]:
    """Every profile by its name, the built-in ones first. Raises ConfigError where the file is wrong."""
    built_in = _built_in(settings)
    return built_in | _read(Path(settings.profiles_file), built_in) if settings.profiles_file else built_in


def constants(profile: Profile) -> dict[str, int | float]:
    """What a profile sets, by name: all of it but its own name."""
    return {name: value for name, value in msgspec.structs.asdict(profile).items() if name != "name"}


def base_of(profile: Profile) -> str:
    """The name of the built-in profile of the same kind."""
    return "paper" if isinstance(profile, PaperProfile) else "envelope"


def _built_in(settings: Settings) -> dict[str, Profile]:
    return {
        "envelope": EnvelopeProfile(),
        "paper": PaperProfile(tolerance_mps=settings.paper_tolerance_mps),
    }


def _read(path: Path, built_in: Mapping[str, Profile]) -> dict[str, Profile]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise ConfigError(f"{path}: cannot be read: {e.strerror} ({PREFIX}PROFILES_FILE)") from None
    except ValueError as e:  # no TOML, or no UTF-8
        raise ConfigError(f"{path}: is no TOML: {e} ({PREFIX}PROFILES_FILE)") from None
    tables = document.pop("profiles", None)
    if document or not isinstance(tables, dict):
        stray = f"; {', '.join(document)} is none" if document else ""
        raise ConfigError(f"{path}: a profile is a table [profiles.NAME]{stray}")
    return {
        name: _profile(f"{path}: profile {name}", name, table, built_in) for name, table in tables.items()
    }


def _profile(place: str, name: str, table: Any, built_in: Mapping[str, Profile]) -> Profile:
    """Read one table: what it leaves out is as in its base."""
    if name in built_in:
        raise ConfigError(f"{place}: this name is built in; take another and base = {name!r}")
    if not isinstance(table, dict):
        raise ConfigError(f"{place}: is no table; write [profiles.{name}] and its fields below")
    base = table.get(_BASE, _DEFAULT_BASE)
    if not isinstance(base, str) or base not in built_in:
        raise ConfigError(f"{place}: base is {base!r}; it must be one of {', '.join(built_in)}")
    fields = {key: value for key, value in table.items() if key != _BASE}
    if "name" in fields:
        raise ConfigError(f"{place}: name is no field; the table's name is the profile's")
    inherited = {**constants(built_in[base]), "version": 1}
    try:
        return msgspec.convert({**inherited, **fields, "name": name}, type(built_in[base]))
    except msgspec.ValidationError as e:
        raise ConfigError(f"{place}: {e}".replace("`$.", "`")) from None
