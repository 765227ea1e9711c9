"""`python -m app settings`: the reference of every setting, as docs/settings.md holds it."""

from collections.abc import Iterator
from dataclasses import Field, fields
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

from app.profiles import constants
from app.settings import PREFIX, Settings
from detection.profile import EnvelopeProfile, PaperProfile, Profile

_HEAD = f"""\
# Settings

Every process reads these from its environment, once, at its start. An unknown `{PREFIX}` name is an error,
so that a typo never means the default. Secrets are never printed; prefer the settings that name a file.

| Variable | Default | Type | What changes when it does |
|---|---|---|---|"""

_PROFILES = """
## Profiles

The constants of the rules, under the names that they have in a profile of your own (docs/profiles.md). The
end of a name is the unit."""

_PROFILE_HEAD = """
`{}`:

| Constant | Default | Range | Why |
|---|---|---|---|"""

_UNITS = {"mps2": "m/s²", "mps": "m/s", "m": "m", "s": "s", "fixes": "fixes"}


def settings() -> None:
    """Print the reference of every setting, as markdown."""
    typer.echo(reference())


def reference() -> str:
    """The reference without its closing newline: one row a setting, in the order of their declaration.

    Then one row a constant of each kind of profile.
    """
    rows = [_row(f) for f in fields(Settings)]
    return "\n".join([_HEAD, *rows, _PROFILES, *_profile(EnvelopeProfile()), *_profile(PaperProfile())])


def _profile(profile: Profile) -> Iterator[str]:
    """The table of one kind of profile."""
    yield _PROFILE_HEAD.format(profile.name)
    hints = get_type_hints(type(profile), include_extras=True)
    for name, default in constants(profile).items():
        _, *metas = get_args(hints[name])
        [least] = [meta.ge for meta in metas if meta.ge is not None]
        most = next((f"to {meta.le:,.10g}" for meta in metas if meta.le is not None), "and more")
        [why] = [meta.description for meta in metas if meta.description]
        unit = _UNITS.get(name.rpartition("_")[2], "")
        yield f"| `{name}` | {f'{default:g} {unit}'.strip()} | {least:g} {most} | {why} |"


def _row(setting: Field[Any]) -> str:
    doc = setting.metadata["doc"]
    if setting.metadata["secret"]:
        doc = f"**Secret.** {doc}"
    default = f"`{setting.default}`" if setting.default != "" else ""
    cells = (f"`{PREFIX}{setting.name.upper()}`", default, _type_name(setting.type), doc)
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _type_name(kind: Any) -> str:
    """The type in words: the choices of a Literal, else text, number or whole number."""
    if get_origin(kind) is Literal:
        return ", ".join(f"`{choice}`" for choice in get_args(kind))
    return {str: "text", float: "number", int: "whole number"}[kind]
