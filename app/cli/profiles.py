"""`python -m app profiles`: what each profile sets, as a TOML file that can be changed and named."""

import json
import os
import re
from typing import Annotated

import typer

from app.profiles import base_of, constants, profile_of, profiles_of
from app.settings import Settings
from detection.profile import Profile


def profiles(
    name: Annotated[str, typer.Argument(help="Only this one.", show_default="all")] = "",
) -> None:
    """Print profiles with all their constants, as tables for a file of your own (docs/profiles.md)."""
    settings = Settings.from_env(os.environ)
    chosen = {name: profile_of(settings, name)} if name else profiles_of(settings)
    typer.echo("\n\n".join(table(profile) for profile in chosen.values()))


def table(profile: Profile) -> str:
    """TOML; the name of a built-in profile has to be changed before it is read again."""
    is_bare = re.fullmatch(r"[A-Za-z0-9_-]+", profile.name)
    key = profile.name if is_bare else json.dumps(profile.name)  # a basic string of TOML escapes as JSON does
    lines = (f"{name} = {value!r}" for name, value in constants(profile).items())
    return "\n".join([f"[profiles.{key}]", f'base = "{base_of(profile)}"', *lines])
