"""`python -m app schemas`: the documents under docs/ that are made from the models."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from app.published.asyncapi import VERSION, asyncapi_document
from app.published.schemas import json_schema
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from sources.gateway.openapi import openapi_document

_SUFFIX = ".schema.json"


def schemas(
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit status 1 where one is stale.")
    ] = False,
    output: Annotated[Path, typer.Option(help="Folder to write to.", show_default="docs")] = PROJECT_DIR
    / "docs",
) -> None:
    """Write the JSON Schema of every topic, the AsyncAPI document and the gateway's OpenAPI document."""
    made = documents()
    stale = stale_documents(output, made)
    if check:
        for name in stale:
            typer.echo(f"{output / name} is stale: run make docs", err=True)
        raise typer.Exit(1 if stale else 0)
    for name in stale:
        path = output / name
        if name in made:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(made[name], encoding="utf-8")
        else:
            path.unlink()
    typer.echo(f"{len(made)} documents under {output}, {len(stale)} of them changed")


def documents() -> dict[str, str]:
    """The text of every document by its path below docs/, for the settings' defaults: the same each time."""
    settings = Settings()
    topics = topics_of(settings)
    made = {f"schemas/{topic.name}{_SUFFIX}": json_schema(topic, topics) for topic in topics.all}
    made["asyncapi.json"] = asyncapi_document(topics, settings)
    made["openapi.json"] = openapi_document(VERSION)
    return {name: json.dumps(tree, indent=2, ensure_ascii=False) + "\n" for name, tree in made.items()}


def stale_documents(folder: Path, made: Mapping[str, str]) -> list[str]:
    """The paths below `folder` that are missing, differ from `made`, or describe a topic that is no more."""
    left = {f"schemas/{path.name}" for path in folder.glob(f"schemas/*{_SUFFIX}")} - made.keys()
    differing = {name for name, text in made.items() if _text_of(folder / name) != text}
    return sorted(left | differing)


def _text_of(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
