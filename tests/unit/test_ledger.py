"""The accuracy ledger: right sketches stay within their bounds, and a wrong one is found."""

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import mmh3
import msgspec
import pytest
from prometheus_client import CollectorRegistry

from agents.sketch import SketchMetrics
from app.settings import Settings
from app.sketch_book import book_of
from privacy.tokens import TokenKey, TokenKeys
from sketches.accuracy import Finding, beyond_chance, worst
from sketches.desk import Desk, Message, Notebooks
from sketches.direct_ledgers import MOST_TIMES, CountLedger, ShareLedger, TimesLedger
from sketches.distinct import Distinct
from sketches.heavy_hitters import CountMin, FrequentItems
from sketches.ledger import MOST_ITEMS, TwinLedger, is_sampled
from sketches.likeness import Likeness
from sketches.moments import SecondMoment
from sketches.notebook import Notebook, Snapshot
from sketches.quantiles import Quantiles
from sketches.questions import QUESTIONS, Asked, Gathered
from sketches.reservoir import Reservoir
from sketches.sliding_count import SlidingCount
from sketches.usual_places import ApprovedPlaces
from tests.decision_stream import chunks, decisions, fixes

BOOK = book_of(Settings(), TokenKeys([TokenKey("1", bytes(32))]))
Chunks = list[tuple[list[Message], list[Message]]]


Rows = dict[bytes, Snapshot]


def desk_of(sketches: Rows | None = None, devices: Rows | None = None) -> Desk:
    """A desk; it goes on from rows."""
    notebooks = Notebooks(sketches=of_rows(sketches), views=Notebook(), devices=of_rows(devices))
    return Desk(notebooks, BOOK.sketches, (), seed=1, options=BOOK.options, audits=BOOK.audits)


def of_rows(rows: Rows | None) -> Notebook:
    """A notebook that has these rows."""
    stored = rows or {}
    return Notebook(lambda keys: {key: stored[key] for key in keys if key in stored}, stored)


def written(notebook: Notebook) -> Rows:
    """What a snapshot writes."""
    return {key: row for key, row in notebook.changes() if row}


def feed(desk: Desk, stream: Chunks) -> None:
    """Let a desk take all."""
    for lines, _ in stream:
        desk.take_decisions("decisions", lines)


@pytest.fixture(scope="module")
def stream() -> Chunks:
    """Six thousand transactions."""
    return list(chunks(decisions(6_000)))


def test_every_sketch_is_judged_and_right(stream: Chunks) -> None:
    """Those without a key, and the filter of approved places."""
    desk = desk_of()
    feed(desk, stream)
    desk.take_locations("locations", fixes(3_000))
    findings = desk.findings()
    assert {finding.sketch for finding in findings} == {
        *(entry.name for entry in BOOK.sketches if entry.key_of is None),
        "approved",
    }
    assert not [finding for finding in findings if finding.broken]
    # A bound on the expected share of links says little of the links of a few kinds.
    assert all(finding.ratio <= 1 for finding in findings if finding.sketch != "likeness")
    assert any(finding.error > 0 for finding in findings), "nothing was estimated"


def wrong(kind: type, method: str, change: Callable[[Callable[..., Any]], Any]) -> tuple[type, str, Any]:
    """A class whose method is changed."""
    return kind, method, change(getattr(kind, method))


def lost(every: int) -> Callable[[Callable[..., Any]], Any]:
    """One in so many updates is lost."""

    def change(update: Callable[..., Any]) -> Any:
        count = 0

        def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            return None if count % every == 0 else update(self, *args, **kwargs)

        return changed

    return change


def twice(update: Callable[..., Any]) -> Any:
    """Each event is counted twice."""

    def changed(self: Any, *args: Any, **kwargs: Any) -> Any:
        update(self, *args, **kwargs)
        return update(self, *args, **kwargs)

    return changed


def narrow(update: Callable[..., Any]) -> Any:
    """A hash with few values."""

    def small(item: Any) -> Any:
        if isinstance(item, int):  # how often it came
            return item
        text = item if isinstance(item, bytes) else item.encode()
        short = f"{mmh3.hash(text) % 100}"
        return short.encode() if isinstance(item, bytes) else short

    return lambda self, *items: update(self, *map(small, items))


def above_middle(update: Callable[..., Any]) -> Any:
    """Values of one side only."""
    return lambda self, *values: update(self, *(max(value, 40.0) for value in values))


def some_values(update: Callable[..., Any]) -> Any:
    """One value in a hundred is lost."""
    numbers = itertools.count(1)
    return lambda self, *values: update(self, *(value for value in values if next(numbers) % 100))


FAULTS = {
    "distinct: a narrow hash": ("distinct_people", wrong(Distinct, "update", narrow)),
    "distinct: no update": ("distinct_cards", wrong(Distinct, "update", lost(1))),
    "quantiles: lost updates": ("amounts", wrong(Quantiles, "update", some_values)),
    "quantiles: wrong values": ("amounts", wrong(Quantiles, "update", above_middle)),
    "quantiles: counted twice": ("speeds", wrong(Quantiles, "update", twice)),
    "moments: a narrow hash": ("card_use", wrong(SecondMoment, "update", narrow)),
    "moments: lost updates": ("card_use", wrong(SecondMoment, "update", lost(100))),
    "frequent: lost updates": ("merchants", wrong(FrequentItems, "update", lost(100))),
    "frequent: counted twice": ("flagged_merchants", wrong(FrequentItems, "update", twice)),
    "count-min: lost updates": ("merchant_counts", wrong(CountMin, "update", lost(100))),
    "count-min: a narrow hash": ("merchant_counts", wrong(CountMin, "update", narrow)),
    "sliding: lost updates": ("flagged_lately", wrong(SlidingCount, "update", lost(20))),
    "sliding: counted twice": ("flagged_lately", wrong(SlidingCount, "update", twice)),
    "reservoir: lost updates": ("sample", wrong(Reservoir, "update", lost(100))),
    "likeness: no links": ("likeness", wrong(Likeness, "missed_shares", lambda _: lambda _s, _n: [1.0] * 20)),
    "places: forgotten": ("approved", wrong(ApprovedPlaces, "update", lost(3))),
    "places: all approved": ("approved", wrong(ApprovedPlaces, "answer", lambda _: lambda *_: "Approved")),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, stream: Chunks, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong hash, a lost update, a double count: in the class, so that twins have it, too."""
    name, (kind, method, changed) = FAULTS[fault]
    monkeypatch.setattr(kind, method, changed)
    desk = desk_of()
    feed(desk, stream[:8])
    if name == "approved":
        desk.take_locations("locations", fixes(3_000))
    assert {finding.sketch: finding.broken for finding in worst(desk.findings())}[name]


def test_a_lost_update_of_the_sketch_in_use_is_found(stream: Chunks) -> None:
    """Also where its twin is right: a desk that passes one over."""
    desk = desk_of()
    feed(desk, stream[:3])
    page = desk.notebooks.sketches.open([b"amounts"], Quantiles.from_bytes, lambda _: Quantiles())[b"amounts"]
    page.sketch.update(1.0)
    assert [finding.sketch for finding in desk.findings() if finding.broken] == ["amounts"]


def test_a_ledger_goes_on_after_a_crash(stream: Chunks) -> None:
    """Rows of different age: findings are those of an undisturbed desk, and none is false meanwhile."""
    undisturbed, crashed = desk_of(), desk_of()
    feed(undisturbed, stream)
    feed(crashed, stream[:8])
    old, old_devices = written(crashed.notebooks.sketches), written(crashed.notebooks.devices)
    feed(crashed, stream[8:12])
    new = sorted(written(crashed.notebooks.sketches).items())
    desk = desk_of(old | dict(new[::2]), old_devices)
    assert not [finding for finding in desk.findings() if finding.broken]
    for part in stream[8:]:
        feed(desk, [part])
        assert not [finding for finding in desk.findings() if finding.broken]
    assert desk.findings() == undisturbed.findings()


def filled_ledgers() -> list[tuple[Any, Callable[[bytes], Any], int]]:
    """Ledgers that have begun anew, with what reads them and their bound in bytes."""
    texts, values, counts = TwinLedger("distinct"), TwinLedger("quantiles", 3), CountLedger()
    times, shares = TimesLedger(), ShareLedger(2)
    for number in range(3 * MOST_ITEMS):
        texts.update(f"{number}")
        values.update(number % (2 * MOST_ITEMS) / 7)
        counts.update(f"{number}")
        times.update(number)
        shares.update((number % 2 == 0, True), 0.5)
    return [
        (ledger, type(ledger).from_bytes, ledger.size_bound_bytes())
        for ledger in (texts, values, counts, times, shares)
    ]


@pytest.mark.parametrize("number", range(5))
def test_memory_is_bounded_and_bytes_are_read_back(number: int) -> None:
    """Whatever comes."""
    ledger, read, most = filled_ledgers()[number]
    code = ledger.to_bytes()
    assert read(code).to_bytes() == code
    assert len(code) <= most
    with pytest.raises(ValueError, match="these bytes"):
        read(code[:-3])


def test_items_that_are_counted_have_been_from_their_start() -> None:
    """Also after the share was halved some times."""
    ledger, sketch = CountLedger(), FrequentItems(capacity=20_000)
    for number in range(30_000):
        for each in (ledger, sketch):
            each.update(f"item {number % 10_000}")
    finding = ledger.judge("x", sketch)
    assert finding is not None
    assert (finding.error, finding.broken, finding.exact) == (0, "", 3)


def test_windows_that_were_let_go_are_not_judged() -> None:
    """Of too many events in a window nothing exact is known."""
    ledger, sketch = TimesLedger(), SlidingCount(50, longest_window_ms=3_600_000)
    for number in range(5 * MOST_TIMES):
        ledger.update(number * 20)
        sketch.update(number * 20)
    assert ledger.judge("x", sketch, [3_600_000]) is None
    finding = ledger.judge("x", sketch, [60_000, 3_600_000])
    assert finding is not None
    assert (finding.exact, finding.what, finding.broken) == (3000, "last 1 min", "")


@pytest.mark.parametrize(
    ("share", "promised", "looks", "is_beyond"),
    [(0.01, 0.01, 10**9, False), (0.02, 0.01, 100, False), (0.02, 0.01, 10_000, True), (1, 0.01, 10, True),
     (1, 0.01, 3, False), (0.1, 0.0, 5, True), (0.5, 0.1, 0, False)],
)  # fmt: skip
def test_what_chance_can_do(share: float, promised: float, looks: int, *, is_beyond: bool) -> None:
    """Few looks prove little."""
    assert beyond_chance(share, promised, looks) == is_beyond


def test_a_share_of_the_devices_is_sampled() -> None:
    """About one in sixteen."""
    sampled: Sequence[bool] = [is_sampled(b"phone-%06d" % number, 1 / 16) for number in range(16_000)]
    assert 850 < sum(sampled) < 1150


def test_the_question_of_accuracy_is_answered_by_the_worst_partition(stream: Chunks) -> None:
    """What the workers send each other of their findings."""
    right, wrong_one = desk_of(), desk_of()
    for desk in (right, wrong_one):
        feed(desk, stream[:2])
    page = wrong_one.notebooks.sketches.open([b"amounts"], Quantiles.from_bytes, lambda _: Quantiles())
    page[b"amounts"].sketch.update(1.0)
    parts = [
        {finding.sketch.encode(): msgspec.msgpack.encode(finding) for finding in desk.findings()}
        for desk in (right, wrong_one)
    ]
    gathered = Gathered(parts=parts, asked=Asked(), now_ms=0, pane_ms=1)
    answer = QUESTIONS["accuracy"].answer(gathered)
    assert [each["sketch"] for each in answer if each["broken"]] == ["amounts"]
    assert [each["sketch"] for each in answer] == sorted({name.decode() for part in parts for name in part})
    assert msgspec.convert(answer, list[Finding]), "what `sketches accuracy` reads"


def test_metrics_show_the_worst_of_each_sketch() -> None:
    """A gauge for the ratio and one for the alert."""
    registry = CollectorRegistry()
    near = Finding(sketch="a", what="", exact=10, estimate=11, error=0.1, bound=0.2)
    far = msgspec.structs.replace(near, error=0.5, broken="why")
    SketchMetrics(registry).show_findings([near, far, msgspec.structs.replace(near, sketch="b")])
    shown = {
        (name, sketch): registry.get_sample_value(name, {"sketch": sketch})
        for name in ("smartbank_sketch_error_ratio", "smartbank_sketch_bound_broken")
        for sketch in ("a", "b")
    }
    assert shown == {
        ("smartbank_sketch_error_ratio", "a"): 2.5,
        ("smartbank_sketch_error_ratio", "b"): 0.5,
        ("smartbank_sketch_bound_broken", "a"): 1,
        ("smartbank_sketch_bound_broken", "b"): 0,
    }
