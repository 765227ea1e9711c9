"""`python -m app settings`: the reference of every setting, as docs/settings.md holds it."""

from dataclasses import Field, fields
from typing import Any, Literal, get_args, get_origin

import typer

from app.settings import PREFIX, Settings

_HEAD = f"""\
# Settings

Every process reads these from its environment, once, at its start. An unknown `{PREFIX}` name is an error,
so that a typo never means the default. Secrets are never printed; prefer the settings that name a file.

| Variable | Default | Type | What changes when it does |
|---|---|---|---|"""


def settings() -> None:
    """Print the reference of every setting, as markdown."""
    typer.echo(reference())


def reference() -> str:
    """The reference without its closing newline: one row a setting, in the order of their declaration."""
    return "\n".join([_HEAD, *(_row(f) for f in fields(Settings))])


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
