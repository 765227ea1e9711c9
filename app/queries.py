"""The publisher's web pages: /query/NAME for people and programs, /peer/rows for its other workers."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, get_args

import faust
import msgspec

from app.asking import QUERY_PATH
from app.gathering import PEER_PATH, Gatherer
from sketches.questions import QUESTIONS, Asked, Gathered, Question, Table


def serve_queries(app: faust.App, gatherer: Gatherer, *, pane_ms: int) -> None:
    """Add the pages to the app's web server."""

    async def catalogue(view: Any, request: Any) -> Any:  # noqa: ARG001 (Faust's signature)
        return view.json({"questions": {name: question.doc for name, question in QUESTIONS.items()}})

    async def query(view: Any, request: Any, name: str) -> Any:
        question = QUESTIONS.get(name)
        if question is None:
            return view.json({"error": f"no such question; there are {', '.join(QUESTIONS)}"}, status=404)
        try:
            return view.json(await answer(gatherer, question, _asked(request.query), pane_ms))
        except ValueError as error:  # msgspec's, too
            return view.json({"error": str(error)}, status=400)

    async def rows(view: Any, request: Any) -> Any:
        if not gatherer.is_peer(request.headers.get("Authorization")):
            return view.json({"error": "for other workers only"}, status=401)
        table = request.query.get("table")
        if table not in get_args(Table):
            return view.json({"error": "no such table"}, status=400)
        parts = gatherer.local(table, request.query.getall("prefix", []))
        return view.bytes(msgspec.msgpack.encode(parts), content_type="application/msgpack")

    app.page(QUERY_PATH)(catalogue)
    app.page(QUERY_PATH + "/{name}")(query)
    app.page(PEER_PATH)(rows)


async def answer(gatherer: Gatherer, question: Question, asked: Asked, pane_ms: int) -> dict[str, Any]:
    """Gather, and answer. Raises ValueError where the question cannot be asked so."""
    gathering = await gatherer.gather(question.table, question.prefixes)
    gathered = Gathered(
        parts=[gathering.parts[partition] for partition in sorted(gathering.parts)],
        asked=asked,
        now_ms=time.time_ns() // 1_000_000,
        pane_ms=pane_ms,
    )
    return {
        "question": question.name,
        "complete": not gathering.missing,
        "missing_partitions": list(gathering.missing),
        # In a thread: to merge full sketches takes up to a second.
        "answer": await asyncio.to_thread(question.answer, gathered),
    }


def _asked(query: Mapping[str, str]) -> Asked:
    return msgspec.convert(dict(query), Asked, strict=False)
