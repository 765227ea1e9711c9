"""sources/simulator.py: is the truth that it tells true? Judged from the events alone."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.decoders import input_decoders
from app.settings import Settings
from app.topics import topics_of
from detection.geodesy import distance_m
from models.location_fix import LocationFix
from models.transaction import Transaction
from sources.event_file import Event, wire_bytes, write_events
from sources.simulation.malformed import malformed_value
from sources.simulation.purchases import Customer, luhn_digit
from sources.simulation.scenario import LAST_ARRIVAL_MS, Scenario, Simulated
from sources.simulation.simulator import in_order_of_arrival, simulate
from sources.simulation.streets import wander
from streaming.errors import ConfigError, RecordError

SCENARIO = Scenario(
    seed=7,
    start_time_ms=1_700_000_000_400,
    duration_s=7_200,
    customers=25,
    transactions_per_s=0.7,
    fraud_share=0.15,
    malformed_share=0.01,
    duplicate_share=0.02,
)
TOPICS = topics_of(Settings())
LOCATION, TRANSACTION = TOPICS.location_data.name, TOPICS.transaction_data.name
DECODERS = input_decoders(TOPICS)

MAX_STREET_SPEED_MPS = 22.5  # 1.5 times the quickest average of a drive, 15 m/s
REPORT_INTERVAL_S = 7.0
CLOCK_DIFFERENCE_S = 1.0
TERMINAL_M = 20.0


def run(scenario: Scenario) -> Iterator[Simulated]:
    """Simulate onto the topics of this installation."""
    return simulate(scenario, location_topic=LOCATION, transaction_topic=TRANSACTION)


@dataclass(frozen=True, slots=True)
class Purchase:
    """A labelled transaction and the fixes of its device."""

    category: str
    expected: str
    transaction: Transaction
    fixes: list[tuple[LocationFix, int]]
    """With the time of arrival in ms, by event time."""

    @property
    def time_s(self) -> float:
        """When the card was used."""
        return self.transaction.event_time_ns / 1e9

    def within(self, seconds: float) -> list[LocationFix]:
        """Its fixes not further from the purchase than that."""
        first, end = self._number_at(self.time_s - seconds), self._number_at(self.time_s + seconds)
        return [fix for fix, _ in self.fixes[first:end]]

    def _number_at(self, time_s: float) -> int:
        """How many of the fixes are of before that time."""
        return bisect_left(self.fixes, time_s, key=lambda pair: seconds_of(pair[0]))

    def last_before(self, time_s: float) -> tuple[LocationFix, int]:
        """The last fix of before that time, and when it arrived."""
        return self.fixes[self._number_at(time_s) - 1]

    def neighbours(self) -> tuple[LocationFix | None, LocationFix | None]:
        """The last fix before the purchase and the first after it; glitches may be among them."""
        number = self._number_at(self.time_s)
        before, after = self.fixes[max(0, number - 1) : number], self.fixes[number : number + 1]
        return before[0][0] if before else None, after[0][0] if after else None

    def away_m(self, fix: LocationFix) -> float:
        """How far from a fix the card was used."""
        to = self.transaction
        return distance_m(fix.latitude_deg, fix.longitude_deg, to.latitude_deg, to.longitude_deg)

    def reach_m(self, fix: LocationFix) -> float:
        """How far off an honest purchase lies at most: terminal, clock, error of the fix, the way between."""
        seconds = abs(seconds_of(fix) - self.time_s) + CLOCK_DIFFERENCE_S
        return TERMINAL_M + 2 * (fix.horizontal_accuracy_m or 0) + MAX_STREET_SPEED_MPS * seconds + 1


def seconds_of(fix: LocationFix) -> float:
    """Event time of a fix."""
    return fix.event_time_ns / 1e9


def decoded(event: Event) -> LocationFix | Transaction:
    """As the detector decodes it."""
    message: LocationFix | Transaction = DECODERS[event.topic].decode(event.value_bytes)
    return message


@pytest.fixture(scope="module")
def stream() -> list[Simulated]:
    """Two hours of a small city."""
    return list(run(SCENARIO))


@pytest.fixture(scope="module")
def purchases(stream: list[Simulated]) -> list[Purchase]:
    """Every labelled transaction of it but those of its last minutes, whose surroundings are cut off."""
    fixes: dict[str, list[tuple[LocationFix, int]]] = {}
    for simulated in stream:
        if simulated.kind == "location":
            fix = decoded(simulated.event)
            assert isinstance(fix, LocationFix)
            fixes.setdefault(fix.device_id, []).append((fix, simulated.event.arrival_ms))
    for track in fixes.values():
        track.sort(key=lambda pair: pair[0].event_time)
    found = []
    for simulated in stream:
        if simulated.label and simulated.event.arrival_ms < SCENARIO.end_time_ms - 180_000:
            transaction = decoded(simulated.event)
            assert isinstance(transaction, Transaction)
            assert transaction.transaction_id == simulated.label.transaction_id
            label, track = simulated.label, fixes.get(transaction.device_id, [])
            found.append(Purchase(label.category, label.expected, transaction, track))
    return found


def of(purchases: list[Purchase], category: str) -> list[Purchase]:
    """Those of one category; enough of them to mean something."""
    chosen = [purchase for purchase in purchases if purchase.category == category]
    assert len(chosen) >= 20, f"only {len(chosen)} of {category}"
    return chosen


@pytest.mark.parametrize("category", ["legit_near", "legit_glitch", "legit_late_location"])
def test_honest_purchases_lie_where_the_phone_was(purchases: list[Purchase], category: str) -> None:
    """Some fix of the seconds around it says so."""
    for purchase in of(purchases, category):
        around = purchase.within(REPORT_INTERVAL_S + CLOCK_DIFFERENCE_S)
        assert any(purchase.away_m(fix) <= purchase.reach_m(fix) for fix in around)


def test_glitches_are_single_bad_fixes_among_good_ones(purchases: list[Purchase]) -> None:
    """400 m to 8 km off, as precise as the others by its own account, and right beside the purchase."""
    for purchase in of(purchases, "legit_glitch"):
        around = purchase.within(30)
        bad = [fix for fix in around if purchase.away_m(fix) > purchase.reach_m(fix)]
        assert len(bad) == 1
        assert 400 - TERMINAL_M <= purchase.away_m(bad[0]) <= 8_000 + TERMINAL_M
        assert abs(seconds_of(bad[0]) - purchase.time_s) <= 2 * CLOCK_DIFFERENCE_S
        assert (bad[0].horizontal_accuracy_m or 0) <= 25


def test_stale_purchases_lie_in_a_gap_on_the_way_between_its_ends(purchases: list[Purchase]) -> None:
    """The gap lasts 10 minutes to 4 hours (or beyond the end), and both ends can be reached by car."""
    for purchase in of(purchases, "legit_stale"):
        before, after = purchase.neighbours()
        assert before is not None
        if after is not None:
            assert 600 <= seconds_of(after) - seconds_of(before) <= 4 * 3600 + 1
            assert purchase.away_m(after) <= purchase.reach_m(after)
        assert purchase.away_m(before) <= purchase.reach_m(before)


def test_late_locations_arrive_5_to_120_s_late_and_a_little(purchases: list[Purchase]) -> None:
    """The fix before the purchase came after it; the little is the delay that every fix has."""
    for purchase in of(purchases, "legit_late_location"):
        fix, arrival_ms = purchase.last_before(purchase.time_s - CLOCK_DIFFERENCE_S)
        assert 5 <= arrival_ms / 1000 - seconds_of(fix) <= 120 + 30
        assert arrival_ms / 1000 > purchase.time_s


@pytest.mark.parametrize(
    ("category", "nearest_m", "furthest_m"),
    [("fraud_far", 50_000, 9_000_000), ("fraud_near", 2_000, 50_000), ("fraud_close", 600, 2_000)],
)
def test_frauds_are_out_of_reach_of_a_phone_that_reports_all_the_time(
    purchases: list[Purchase], category: str, nearest_m: float, furthest_m: float
) -> None:
    """From the last fix before it, the fastest car of the simulation comes not even near."""
    for purchase in of(purchases, category):
        before, after = purchase.neighbours()
        assert before is not None
        assert after is not None
        assert seconds_of(after) - seconds_of(before) <= REPORT_INTERVAL_S
        way_m = purchase.away_m(before)
        slack_m = purchase.reach_m(before)
        assert nearest_m - slack_m <= way_m <= furthest_m + slack_m
        assert way_m > 1.4 * slack_m


def test_unknown_devices_never_report(purchases: list[Purchase]) -> None:
    """Not before and not after; all others have reported before they buy."""
    assert not any(purchase.fixes for purchase in of(purchases, "unknown_device"))
    known = [purchase for purchase in purchases if purchase.category != "unknown_device"]
    assert all(seconds_of(p.fixes[0][0]) <= p.time_s + CLOCK_DIFFERENCE_S for p in known)


def test_labels_say_what_a_perfect_detector_ends_with(purchases: list[Purchase]) -> None:
    """The verdict follows from the category's name, and nothing else is expected."""
    ends = {"legit": "cleared", "fraud": "flagged", "unknown": "no_location"}
    assert {(p.category, p.expected) for p in purchases} == {
        (p.category, ends[p.category.partition("_")[0]]) for p in purchases
    }


def test_good_values_decode_and_malformed_ones_do_not(stream: list[Simulated]) -> None:
    """Every field that the paper's phones and bank send is there."""
    for simulated in stream:
        if simulated.kind == "malformed":
            with pytest.raises(RecordError):
                decoded(simulated.event)
            continue
        message = decoded(simulated.event)
        assert simulated.event.key_bytes == message.key
        optional = [getattr(message, name) for name in message.__struct_fields__]
        assert None not in optional


def test_no_malformed_value_decodes(stream: list[Simulated]) -> None:
    """Whatever is drawn, and of whatever value."""
    rng = Random(1)
    good = [each.event for each in stream if each.kind in ("location", "transaction")]
    for event in good[:2_000]:
        with pytest.raises(RecordError):
            DECODERS[event.topic].decode(wire_bytes(malformed_value(rng, event.value)))


def test_events_come_in_order_of_arrival_and_fixes_partly_out_of_order(stream: list[Simulated]) -> None:
    """Nothing arrives before it happens by more than a clock's difference, nor later than promised."""
    arrivals = [simulated.event.arrival_ms for simulated in stream]
    assert all(earlier <= later for earlier, later in pairwise(arrivals))
    assert arrivals[0] >= SCENARIO.start_time_ms
    assert arrivals[-1] <= SCENARIO.end_time_ms + LAST_ARRIVAL_MS
    latest: dict[str, int] = {}
    overtaken = 0
    for simulated in stream:
        if simulated.kind == "location":
            fix = decoded(simulated.event)
            time_ns = fix.event_time_ns if isinstance(fix, LocationFix) else 0
            assert time_ns / 1e6 <= simulated.event.arrival_ms
            overtaken += time_ns < latest.get(fix.device_id, 0)
            latest[fix.device_id] = max(time_ns, latest.get(fix.device_id, 0))
    assert overtaken > 0.01 * len(stream)


def test_a_repeat_is_an_earlier_event_once_more(stream: list[Simulated]) -> None:
    """And has no label of its own: the labels file names each transaction once."""
    seen: set[tuple[str, str | None, str]] = set()
    for simulated in stream:
        content = (simulated.event.topic, simulated.event.key, simulated.event.value)
        if simulated.kind == "repeat":
            assert content in seen
        seen.add(content)
        assert (simulated.label is not None) == (simulated.kind == "transaction")
    labels = [simulated.label.transaction_id for simulated in stream if simulated.label]
    assert len(labels) == len(set(labels))


def test_shares_and_rates_hold(stream: list[Simulated]) -> None:
    """Within five standard deviations of what was asked for."""
    kinds = Counter(simulated.kind for simulated in stream)
    expected = Counter(simulated.label.expected for simulated in stream if simulated.label)
    originals, transactions = kinds["location"] + kinds["transaction"], kinds["transaction"]
    for count, among, share in (
        (expected["flagged"], transactions, SCENARIO.fraud_share),
        (expected["no_location"], transactions, SCENARIO.unknown_device_share),
        (kinds["malformed"], originals, SCENARIO.malformed_share),
        (kinds["repeat"], originals, SCENARIO.duplicate_share),
    ):
        assert abs(count - share * among) < 5 * math.sqrt(share * (1 - share) * among)
    wanted = SCENARIO.transactions_per_s * SCENARIO.duration_s
    assert abs(transactions - wanted) < 5 * math.sqrt(wanted)
    every_five_s = SCENARIO.devices * SCENARIO.duration_s / 5
    assert 0.4 * every_five_s < kinds["location"] < 1.1 * every_five_s  # the rest are gaps


def test_equal_scenarios_make_equal_files(tmp_path: Path) -> None:
    """Byte for byte, compressed too; another seed makes another one."""
    scenario = replace(SCENARIO, duration_s=300)
    files = [tmp_path / "a.gz", tmp_path / "b.gz", tmp_path / "c.gz"]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        write_events(path, (each.event for each in run(replace(scenario, seed=seed))))
    one, same, other = (path.read_bytes() for path in files)
    assert one == same != other


def test_a_decade_costs_nothing_before_it_is_asked_for() -> None:
    """Events are made one by one: a soak test can run for ever."""
    scenario = replace(SCENARIO, duration_s=10 * 365 * 86_400.0)
    assert len(list(islice(run(scenario), 2_000))) == 2_000


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 50))))
def test_arrivals_are_sorted_and_equal_ones_keep_their_order(raw: list[tuple[int, int]]) -> None:
    """As sorted() does it with everything at hand; `raw` are (pause, delay) in ms."""
    time_ms, happenings = 0, []
    for number, (pause_ms, delay_ms) in enumerate(raw):
        time_ms += pause_ms
        happenings.append((time_ms, Simulated(Event("t", None, time_ms + delay_ms, str(number)), "location")))
    wanted = sorted((each for _, each in happenings), key=lambda each: each.event.arrival_ms)
    assert list(in_order_of_arrival(happenings)) == wanted


@given(st.integers(0, 2**32))
def test_people_neither_jump_nor_race(seed: int) -> None:
    """Legs join in time and place; no speed above that of a street, no acceleration above a car's."""
    legs = list(islice(wander(Random(seed), 0), 20))
    for leg, following in pairwise(legs):
        assert following.start_ms == leg.end_ms
        end, start = leg.place_at(leg.end_ms), following.place_at(following.start_ms)
        assert distance_m(*end, *start) < 0.01
        middle_ms = leg.start_ms + leg.duration_ms // 2
        assert leg.speed_mps_at(middle_ms) <= MAX_STREET_SPEED_MPS + 0.01
        # 3x² - 2x³ accelerates most at its ends, by 6 lengths over the duration squared.
        length_m = math.hypot(leg.east_m, leg.north_m)
        assert 6 * length_m / (leg.duration_ms / 1000) ** 2 <= 1.51
        before = leg.place_at(middle_ms - 500)
        after = leg.place_at(middle_ms + 500)
        assert distance_m(*before, *after) == pytest.approx(leg.speed_mps_at(middle_ms), rel=0.01, abs=0.01)


@pytest.mark.parametrize(
    ("digits", "check"),
    [("7992739871", "3"), ("400000000000000", "2"), ("411111111111111", "1"), ("0", "0")],
)
def test_check_digits_are_luhns(digits: str, check: str) -> None:
    """The patent's usual example, and test numbers that payment processors publish."""
    assert luhn_digit(digits) == check


@given(st.randoms(use_true_random=False))
def test_cards_are_test_cards(rng: Random) -> None:
    """Nobody's real number can come out."""
    number = Customer.random(rng).card_number
    assert len(number) == 16
    assert number.startswith("400000")
    assert luhn_digit(number[:-1]) == number[-1]


@pytest.mark.parametrize(
    "wrong",
    [
        {"customers": 0},
        {"duration_s": 0},
        {"duration_s": math.inf},
        {"duration_s": math.nan},
        {"transactions_per_s": -1},
        {"transactions_per_s": math.nan},
        {"fraud_share": 1.1},
        {"fraud_share": math.nan},
        {"malformed_share": -0.1},
        {"fraud_share": 0.6, "unknown_device_share": 0.5},
    ],
)
def test_impossible_scenarios_are_refused(wrong: dict[str, float]) -> None:
    """At once, not in the midst of a run."""
    with pytest.raises(ConfigError):
        replace(SCENARIO, **wrong)  # type: ignore[arg-type]  # the point of the test
