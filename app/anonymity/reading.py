"""What the settings ask of anonymity: its target, and the hierarchies out of their file."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from random import SystemRandom
from typing import Final

import msgspec

from app.settings import PREFIX, Settings
from privacy.anonymity.anonymizer import Anonymizer, Target
from privacy.anonymity.hierarchies import Hierarchies
from streaming.errors import ConfigError

_DEFAULT: Final = Path(__file__).with_name("hierarchies.toml")


def target_of(
    settings: Settings,
    *,
    k: int | None = None,
    l: int | None = None,  # noqa: E741 (its name in every paper)
    delta: int | None = None,
) -> Target:
    """What groups must have, by the settings or as given; without a limit in time. Raises ConfigError."""
    target = Target(
        k=k or settings.anonymity_k,
        l=l or settings.anonymity_l,
        delta=delta or settings.anonymity_delta,
        mu=settings.anonymity_mu,
    )
    if target.delta < max(target.k, target.l):
        raise ConfigError(
            f"delta is {target.delta}: so few rows are never a group of k={target.k} people and l={target.l}"
            " merchants; raise it"
        )
    return target


def anonymizer_maker(settings: Settings) -> Callable[[], Anonymizer]:
    """What makes a worker's anonymizers, one for each partition; rows wait no longer than the limit."""
    hierarchies = hierarchies_of(settings)
    limit_ms = round(settings.anonymity_limit_s * 1000)
    target = msgspec.structs.replace(target_of(settings), limit_ms=limit_ms)
    return lambda: Anonymizer(hierarchies, target, SystemRandom())


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
