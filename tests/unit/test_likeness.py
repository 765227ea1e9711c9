"""Likeness: planted card testing is found, honest purchases make no clusters, in bounded memory."""

import json
import math
from collections.abc import Iterable
from functools import partial
from itertools import groupby
from random import Random
from typing import Any

import mmh3
import msgspec
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given
from hypothesis import strategies as st

from models.transaction import Transaction
from sketches.clusters import graph
from sketches.likeness import Bounds, Likeness
from sketches.lsh import BANDS, PERMUTATIONS, ROWS, THRESHOLD, minhash_of
from sketches.shingles import LIKENESS_OF_FOUR, Shingles, amount_band, shingles_of
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate

NOON_MS = 1_795_435_200_000
WAVE_APART_MS = 60_000


def use(number: int, **changes: Any) -> dict[str, Any]:
    """A transaction of a wave: every one by another card."""
    return {
        "transaction_id": f"t{number:06}",
        "card": f"card-{number}",
        "category": "Online",
        "merchant": "700841430",
        "amount": 1.0,
        "latitude_deg": 48.85,
        "longitude_deg": 2.35,
        "time_ms": NOON_MS + 1_000 * number,
        **changes,
    }


def fed(uses: list[dict[str, Any]], bounds: Bounds | None = None) -> Likeness:
    """The sketch of some transactions."""
    likeness = Likeness(bounds)
    for each in uses:
        likeness.update(**each)
    return likeness


def some_uses() -> st.SearchStrategy[list[dict[str, Any]]]:
    """Transactions of which many are alike, in any order; some too large, some too old."""
    one = st.builds(
        use,
        st.integers(0, 400),
        merchant=st.sampled_from("AB"),
        category=st.sampled_from("CD"),
        amount=st.sampled_from([0.0, -3.0, 1.0, 1.3, 4.99, 5.01]),
        latitude_deg=st.sampled_from([48.85, 37.3]),
        card=st.integers(0, 6).map(str),
    )
    return st.lists(one, max_size=25, unique_by=lambda each: each["transaction_id"])


@given(some_uses(), some_uses(), st.randoms())
def test_state_is_the_set_of_transactions_not_their_order_or_repeats(
    one: list[dict[str, Any]], two: list[dict[str, Any]], random: Random
) -> None:
    """Nor the partitions that they came by, nor a snapshot between; also where the bound on memory bites."""
    two = [each | {"transaction_id": f"of two {each['transaction_id']}"} for each in two]
    bounds = Bounds(min_cards=3, max_transactions=8)
    merged = fed(one, bounds)
    merged.merge(Likeness.from_bytes(fed(two, bounds).to_bytes()))
    both = [*one, *two, *one[:4]]
    random.shuffle(both)
    other = fed(both, bounds)
    assert merged.to_bytes() == other.to_bytes()
    assert merged.clusters() == other.clusters() == Likeness.from_bytes(other.to_bytes()).clusters()
    assert len(merged) <= 8
    assert len(merged.to_bytes()) <= merged.size_bound_bytes()


@given(some_uses())
def test_clusters_are_the_same_however_often_they_are_asked_for(uses: list[dict[str, Any]]) -> None:
    """And hold what they promise, with no transaction that is too old."""
    likeness = Likeness(Bounds(min_cards=3))
    for each in uses:
        likeness.update(**each)
        clusters = likeness.clusters()
        assert clusters == Likeness.from_bytes(likeness.to_bytes()).clusters()
        for cluster in clusters:
            assert len(cluster.cards) >= 3
            assert likeness.bounds.window_ms > cluster.last_ms - cluster.first_ms >= 0


@pytest.fixture(scope="module")
def day() -> list[tuple[dict[str, Any], str]]:
    """Simulated transactions with their categories: honest ones, frauds, card testing."""
    scenario = Scenario(
        seed=3,
        start_time_ms=NOON_MS,
        duration_s=600,
        customers=150,
        transactions_per_s=30,
        card_testing_share=0.05,
        malformed_share=0,
        duplicate_share=0,
    )
    found = []
    for simulated in simulate(scenario, location_topic="location", transaction_topic="transaction"):
        if simulated.label is not None:
            sent = msgspec.json.decode(simulated.event.value, type=Transaction)
            one = {
                "transaction_id": sent.transaction_id,
                "card": str(sent.card_number),
                "category": sent.merchant_category or "",
                "merchant": str(sent.merchant_id),
                "amount": sent.amount,
                "latitude_deg": sent.latitude_deg,
                "longitude_deg": sent.longitude_deg,
                "time_ms": simulated.event.arrival_ms,
            }
            found.append((one, simulated.label.category))
    return found


def waves(day: list[tuple[dict[str, Any], str]]) -> list[set[str]]:
    """The transactions of each planted wave: of one place, at one site, not long after each other."""

    def place(one: dict[str, Any]) -> tuple[Any, ...]:
        return one["merchant"], one["latitude_deg"], one["longitude_deg"]

    planted: list[set[str]] = []
    tests = sorted((one for one, category in day if category.startswith("card_testing")), key=place)
    for _, of_place in groupby(tests, key=place):
        last_ms = -math.inf
        for one in sorted(of_place, key=lambda one: one["time_ms"]):
            if one["time_ms"] - last_ms > WAVE_APART_MS:
                planted.append(set())
            planted[-1].add(one["transaction_id"])
            last_ms = one["time_ms"]
    return planted


def seen_together(day: Iterable[tuple[dict[str, Any], str]]) -> set[frozenset[str]]:
    """The transactions of every cluster that somebody sees who looks each second."""
    likeness, together = Likeness(), set[frozenset[str]]()
    for _, of_second in groupby(day, key=lambda each: each[0]["time_ms"] // 1000):
        for one, _ in of_second:
            likeness.update(**one)
        together |= {frozenset(use.transaction_id for use in each.uses) for each in likeness.clusters()}
    return together


def test_planted_waves_are_found_and_honest_customers_are_not(day: list[tuple[dict[str, Any], str]]) -> None:
    """At least 95 of 100 waves of at least 10 cards; of the honest transactions no cluster."""
    planted = [wave for wave in waves(day) if len(wave) >= Bounds().min_cards]
    assert len(planted) > 20
    together = seen_together(day)
    found = [wave for wave in planted if any(len(wave & ids) > 0.5 * len(wave) for ids in together)]
    assert len(found) >= 0.95 * len(planted)
    honest = {one["transaction_id"] for one, category in day if not category.startswith("card_testing")}
    assert len(honest) > 15_000
    assert not [ids for ids in together if ids <= honest]


def test_waves_that_go_to_several_sites_or_over_the_hour_hang_together() -> None:
    """Four shingles of five are enough; clusters are there from the tenth card on, also of the new hour."""
    hour_ms = NOON_MS + 3_600_000
    uses = [
        use(number, merchant=f"site {number % 3}", time_ms=hour_ms + 1_000 * (number - 15))
        for number in range(30)
    ]
    likeness = Likeness()
    kinds = []
    for each in uses:
        likeness.update(**each)
        kinds.append(sum(len(cluster.kinds) for cluster in likeness.clusters()))
    assert kinds == [0] * 9 + [3] * 6 + [4, 5] + [6] * 13
    (cluster,) = likeness.clusters()
    assert (len(cluster.kinds), len(cluster.cards), len(cluster.uses)) == (6, 30, 30)
    assert (cluster.first_ms, cluster.last_ms) == (uses[0]["time_ms"], uses[-1]["time_ms"])


@pytest.mark.parametrize(
    "change",
    [
        lambda number: {"card": "one"},  # noqa: ARG005 (the same card again and again)
        lambda number: {"amount": 5.01},  # noqa: ARG005 (too large)
        lambda number: {"time_ms": NOON_MS + 15_000 * number},  # too slow: 8 in the window
        lambda number: {"merchant": f"shop {number}", "latitude_deg": 0.5 * number},  # two shingles differ
        lambda number: {
            "amount": 1.0 + 0.5 * (number % 2),
            "merchant": f"shop {number}",
            "category": f"{number}",
        },
    ],
)
def test_what_is_no_card_testing_makes_no_cluster(change: Any) -> None:
    """One card, large amounts, few in the window, or not alike."""
    likeness = fed([use(number, **change(number)) for number in range(40)])
    assert likeness.clusters() == []


def test_small_kinds_do_not_chain_a_town_together() -> None:
    """Neighbours are alike, but for place and merchant by turns: no ten have the same four shingles."""
    uses = [
        use(number, merchant=f"shop {(number + 1) // 2}", latitude_deg=40 + number // 2)
        for number in range(60)
    ]
    assert fed(uses).clusters() == []
    assert max(len(cluster.cards) for cluster in fed(uses, Bounds(min_cards=2)).clusters()) > 10


def test_old_transactions_are_forgotten_and_time_may_go_back() -> None:
    """One that is late but within the window counts; one before it does not."""
    likeness = fed([use(number) for number in range(20)])
    likeness.update(**use(900, time_ms=NOON_MS - 90_000))
    assert len(likeness) == 21
    likeness.update(**use(901, time_ms=NOON_MS - 110_000))
    likeness.update(**use(3))  # once more
    assert len(likeness) == 21
    assert len(likeness.clusters()[0].uses) == 21
    likeness.update(**use(902, time_ms=NOON_MS + 600_000))
    assert len(likeness) == 1
    assert likeness.clusters() == []


def test_lsh_finds_as_many_links_as_the_formula_says() -> None:
    """Of pairs that differ in one shingle 2.9 % are missed; the bands are datasketch's for the threshold."""
    likeness, random, pairs = Likeness(Bounds(window_ms=10**15, min_cards=2)), Random(8), 2_000
    for pair in range(pairs):
        base = use(
            pair,
            merchant=f"{random.random()}",
            category=f"{random.random()}",
            latitude_deg=random.uniform(-90, 90),
            amount=random.uniform(0.01, 5),
            time_ms=random.randrange(10**13),
        )
        likeness.update(**base)
        likeness.update(**(base | {"transaction_id": f"other {pair}", "card": "other", "merchant": "other"}))
    missed = 1 - len(likeness.clusters()) / pairs
    assert likeness.error_bound() == pytest.approx((1 - (2 / 3) ** 5) ** 25)
    assert missed == pytest.approx(likeness.error_bound(), abs=4 * math.sqrt(0.029 / pairs))
    best = MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)
    assert (best.b, best.r) == (BANDS, ROWS)


@pytest.mark.parametrize("word", [b"", b"0:Online", b"3:4885,235", b"long" * 100])
def test_the_minhash_of_a_word_is_datasketch_s(word: bytes) -> None:
    """To the bit."""
    theirs = MinHash(
        PERMUTATIONS, seed=1, hashfunc=partial(mmh3.hash, seed=1, signed=False), scheme="affine32"
    )
    theirs.update(word)
    assert theirs.hashvalues.tolist() == minhash_of(word).tolist()


def test_the_graph_is_json_with_one_component_a_cluster() -> None:
    """No tokens, no ids, no exact places or amounts; just enough links to hold a cluster together."""
    likeness = fed(
        [use(number, merchant=f"site {number % 2}") for number in range(24)]
        + [use(100 + number, latitude_deg=10.0) for number in range(12)]
    )
    drawn = json.loads(json.dumps(graph(likeness.clusters(), THRESHOLD)))
    assert [node["id"] for node in drawn["nodes"]] == list(range(36))
    assert "card-" not in json.dumps(drawn)
    assert "t0000" not in json.dumps(drawn)
    component = list(range(36))
    for link in drawn["links"]:
        assert link["likeness"] in {1.0, round(LIKENESS_OF_FOUR, 3)}
        one, two = component[link["source"]], component[link["target"]]
        component = [one if each == two else each for each in component]
    assert len(set(component)) == len(likeness.clusters()) == 2
    assert len(drawn["links"]) == 36 - 2
    assert graph([], THRESHOLD) == {"nodes": [], "links": []}


def test_likeness_is_the_jaccard_similarity_of_the_words() -> None:
    """By sets, as the textbook has it."""
    one = Shingles("a", 1, "2", "1", "a")
    for other in (
        one,
        Shingles("b", 1, "2", "1", "a"),
        Shingles("b", 1, "1", "2", "a"),
        Shingles("1", 2, "a", "a", "1"),
    ):
        mine, theirs = set(one.words), set(other.words)
        assert one.likeness(other) == pytest.approx(len(mine & theirs) / len(mine | theirs))
        assert len(mine) == 5
    assert PERMUTATIONS == 128


def test_bands_of_amounts() -> None:
    """19 % wide; nothing and refunds apart."""
    assert [amount_band(amount) for amount in (0, -1, 1, 1.18, 1.2, 2, 4.99)] == [
        *("0", "refund", "1", "1", "1.19", "2", "4.76")
    ]


@pytest.mark.parametrize("field", ["amount", "latitude_deg", "longitude_deg"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(field: str, value: float) -> None:
    """And changes nothing."""
    likeness = Likeness()
    with pytest.raises(ValueError, match="must be"):
        likeness.update(**use(1, **{field: value}))
    assert len(likeness) == 0


def test_ids_words_and_bounds_have_bounds() -> None:
    """Long words become short, long ids are refused, as are bounds under which nothing could be found."""
    long = shingles_of(
        category="c" * 9_999, merchant="m" * 9_999, amount=1, latitude_deg=1, longitude_deg=1, time_ms=0
    )
    assert (len(long.category), len(long.merchant)) == (64, 64)
    with pytest.raises(ValueError, match="256"):
        Likeness().update(**use(1, transaction_id="x" * 257))
    for bad in ({"window_ms": 0}, {"min_cards": 1}, {"max_transactions": 9}, {"max_amount": math.nan}):
        with pytest.raises(ValueError, match="likeness needs"):
            Bounds(**bad)
    with pytest.raises(ValueError, match="merged"):
        Likeness().merge(Likeness(Bounds(min_cards=5)))


def test_bytes_that_are_none_are_refused() -> None:
    """Cut off, of another version, with bounds that are none."""
    good = fed([use(1)]).to_bytes()
    for bad in (b"", good[:-1], b"\x09" + good[1:], good.replace(b"likeness", b"likeless")):
        with pytest.raises(ValueError, match=r"sketch|bytes"):
            Likeness.from_bytes(bad)
