"""What the sketches cost a transaction; one run: `python -m bench.sketches NAME TRANSACTIONS`."""

import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

import msgspec

from agents.sketch import Book
from app.card_testing import Watch
from app.settings import PROJECT_DIR, Settings
from app.sketch_book import book_of, card_testing_bounds
from app.sketch_rehearsal import ALERTS, DECISIONS, new_desk
from bench.contest import Contestant, Options, take_turns
from bench.report import Section, ratio, spread
from privacy.tokens import TokenKey, TokenKeys
from sketches.audits import LEDGER
from sketches.book import ITEM_OF_GROUP, Entry
from sketches.desk import Desk
from sketches.seen import Seen
from streaming.garbage import collect_less_often
from tests.decision_stream import chunks, decisions

_NOTHING: Final = "nothing kept"
_EXACT: Final = "exact, in dicts and sets"
_SKETCHES: Final = "all sketches"
_WATCHED: Final = "all sketches, looked at for card testing"
_WITH_LEDGER: Final = "all sketches and their ledger"
_TIMED: Final = "timed"
_REMARK: Final = (
    "A desk of one partition takes chunks of 500 lines of decisions, two of a transaction, and the alerts of"
    " one in 50; 100 transactions come in a second, a tenth of the amounts are below 5, an eighth of these at"
    " one shop. Nothing kept: which lines are new, and whether the place is a usual one."
)
_MOST_TRANSACTIONS: Final = 100_000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One pass; `by_part` in µs of CPU a transaction, only where each part is timed."""

    cpu_us_per_transaction: float
    by_part: dict[str, float] = {}

    def __str__(self) -> str:
        return f"{self.cpu_us_per_transaction:.1f} µs CPU a transaction"


def measure(options: Options) -> Section:
    """Run the benchmark."""
    count = min(options.events, _MOST_TRANSACTIONS)
    contestants = [
        Contestant(name=name, run=partial(_run_apart, name, count))
        for name in (_NOTHING, _EXACT, _SKETCHES, _WATCHED, _WITH_LEDGER, _TIMED)
    ]
    outcomes = take_turns(contestants, options)
    figures = {name: [run.cpu_us_per_transaction for run in runs] for name, runs in outcomes.items()}
    base = figures.get(_NOTHING)
    return Section(
        name="sketches",
        command=f"python -m bench sketches --events {count} --runs {options.runs}",
        head=("what is kept", "CPU µs/transaction", "more than nothing kept"),
        rows=[
            [name, spread(cpu, "{:.1f}"), spread(_more(cpu, base), "{:.1f}") if base else "-"]
            for name, cpu in figures.items()
            if name != _TIMED
        ],
        remarks=[
            _REMARK,
            *_told(figures),
            *_parts(outcomes.get(_TIMED, [])),
        ],
    )


def _more(figures: Sequence[float], base: Sequence[float]) -> list[float]:
    """Run by run: both took their turn at about the same time."""
    return [ours - theirs for ours, theirs in zip(figures, base, strict=True)]


def _told(figures: dict[str, list[float]]) -> Iterator[str]:
    if {_NOTHING, _EXACT, _SKETCHES} <= figures.keys():
        base = figures[_NOTHING]
        times = ratio(_more(figures[_SKETCHES], base), _more(figures[_EXACT], base))
        yield f"{_SKETCHES}: {times} times the CPU of {_EXACT}, whose memory has no bound."


def _parts(runs: Sequence[Run]) -> Iterator[str]:
    """The median run, the dearest part first."""
    if runs:
        run = sorted(runs, key=lambda each: each.cpu_us_per_transaction)[len(runs) // 2]
        parts = sorted(run.by_part.items(), key=lambda part: -part[1])
        told = ", ".join(f"{name} {cpu_us:.2f}" for name, cpu_us in parts if cpu_us >= 0.1)
        yield f"By part, each timed, which adds a little, µs: {told}."


def _run_apart(name: str, count: int) -> Run:
    command = [sys.executable, "-m", "bench.sketches", name, str(count)]
    done = subprocess.run(command, cwd=PROJECT_DIR, check=True, capture_output=True)
    return msgspec.json.decode(done.stdout.splitlines()[0], type=Run)


# -- contestants ------------------------------------------------------------------------------------------


def _book(name: str) -> Book:
    book = book_of(Settings(), TokenKeys([TokenKey("k1", bytes(32))]))
    match name:
        case "nothing kept":
            return replace(book, sketches=(), views=(), audits=())
        case "exact, in dicts and sets":
            return replace(book, sketches=(_exact("firsts"), _exact("flags")), views=(), audits=())
        case "all sketches" | "all sketches, looked at for card testing":
            return replace(book, audits=())
        case _:
            return book


@dataclass(slots=True)
class _Exact:
    """What the sketches answer, exactly."""

    items: dict[str, set[Any]]
    by_category: dict[str, dict[str, set[Any]]]
    counts: Counter[str]
    cards: Counter[Any]
    values: list[tuple[float, float | None, int]]


def _exact(of: Any) -> Entry:
    def make(_seed: int) -> _Exact:
        nested: Any = defaultdict(lambda: defaultdict(set))
        return _Exact(defaultdict(set), nested, Counter(), Counter(), [])

    return Entry(name=f"exact_{of}", of=of, make=make, read=lambda _code: None, take=_take_exact)


def _take_exact(exact: _Exact, facts: Sequence[Any]) -> None:
    for fact in facts:
        decision = fact.decision
        for group, item_of in ITEM_OF_GROUP.items():
            item = item_of(fact)
            exact.items[group].add(item)
            exact.by_category[fact.category][group].add(item)
        exact.counts[fact.merchant] += 1
        exact.cards[decision.card_token] += 1
        latency_ms = fact.record_ms - decision.received_ms
        exact.values.append((decision.amount, decision.implied_speed_mps, latency_ms))


# -- one run ----------------------------------------------------------------------------------------------


def _looking(desk: Desk) -> Callable[[int], None]:
    """What one worker of all does for every partition, as often as it does by default."""
    settings = Settings()
    watch, pause_ms, looked_ms = Watch(card_testing_bounds(settings)), settings.card_testing_check_s * 1000, 0

    def look(now_ms: int) -> None:
        nonlocal looked_ms
        if now_ms >= looked_ms + pause_ms:
            looked_ms = now_ms
            watch.look(desk.notebooks.sketches.rows(b"likeness").values(), now_ms)
            watch.confirm()

    return look


def _timed(desk: Desk) -> dict[str, float]:
    """Let a desk time its parts: each sketch, ledgers together, which lines are new, answers on places."""
    spent: dict[str, float] = defaultdict(float)
    clock = time.thread_time

    def timing(name: str, function: Any) -> Any:
        def timed(*arguments: Any, **more: Any) -> Any:
            began_s = clock()
            result = function(*arguments, **more)
            spent[name] += clock() - began_s
            return result

        return timed

    for patched, method, name in (
        (Seen, "is_first", "lines seen"),
        (Seen, "forget", "lines seen"),
        (desk, "_answer_of", "answers on places"),
        (desk, "_groups", "facts by key"),
    ):
        setattr(patched, method, timing(name, getattr(patched, method)))
    entries = "_entries"
    kept = [
        (notebook, replace(entry, take=timing(_part(entry.name), entry.take)))
        for notebook, entry in getattr(desk, entries)
    ]
    setattr(desk, entries, kept)
    return spent


def _part(name: str) -> str:
    return "the ledger" if name.startswith(LEDGER) else name


def main() -> None:
    """Print the Run of a contestant."""
    name, count = sys.argv[1], int(sys.argv[2])
    stream = list(chunks(decisions(count)))
    collect_less_often()
    desk = new_desk(_book(name))
    spent = _timed(desk) if name == _TIMED else {}
    look = _looking(desk) if name == _WATCHED else None
    start_s = time.process_time()
    for lines, alerts in stream:
        desk.take_decisions(DECISIONS, lines)
        if alerts:
            desk.take_alerts(ALERTS, alerts)
        if look:
            look(lines[-1].record_ms)
    cpu_s = time.process_time() - start_s
    run = Run(
        cpu_us_per_transaction=cpu_s / count * 1e6,
        by_part={part: spent_s / count * 1e6 for part, spent_s in spent.items()},
    )
    print(msgspec.json.encode(run).decode(), flush=True)


if __name__ == "__main__":
    main()
