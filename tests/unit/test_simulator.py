"""sources/simulation/: is the truth that it tells true? Judged from the events alone."""

import gc
import math
import re
import subprocess
import sys
import tracemalloc
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
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from models.location_fix import LocationFix
from models.transaction import Transaction
from sources.event_file import Event, wire_bytes, write_events
from sources.simulation.categories import Category, category_shares
from sources.simulation.malformed import malformed_value
from sources.simulation.scenario import LAST_ARRIVAL_MS, Scenario, Simulated
from sources.simulation.simulator import in_order_of_arrival, simulate
from streaming.errors import ConfigError, RecordError

SCENARIO = Scenario(
    seed=7,
    start_time_ms=1_709_280_000_400,  # a Friday, midnight in San Jose
    duration_s=22 * 3600,
    customers=14,
    transactions_per_s=0.12,
    fraud_share=0.35,
    unknown_device_share=0.02,
    card_testing_share=0.05,
    malformed_share=0.01,
    duplicate_share=0.02,
)
DOCUMENT = PROJECT_DIR / "docs" / "simulator.md"
TOPICS = topics_of(Settings())
LOCATION, TRANSACTION = TOPICS.location_data.name, TOPICS.transaction_data.name
DECODERS = input_decoders(TOPICS)

EARTH_RADIUS_M = 6_371_009.0
ROUND_EARTH = 0.006  # so much, at most, a distance on a sphere differs from that on WGS84
MAX_STREET_SPEED_MPS = 22.5  # 1.5 times the quickest average of a drive, 15 m/s
AIRLINER_MPS = 300.0
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
    arrival_ms: int
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
        return haversine_m(fix.latitude_deg, fix.longitude_deg, to.latitude_deg, to.longitude_deg)

    def is_out_of_reach(self, fix: LocationFix) -> bool:
        """No car, or for distant places no airliner, comes from there to here or back."""
        seconds = abs(seconds_of(fix) - self.time_s) + CLOCK_DIFFERENCE_S
        speed_mps = MAX_STREET_SPEED_MPS if seconds < 60 else AIRLINER_MPS
        reach_m = 2 * (fix.horizontal_accuracy_m or 0) + TERMINAL_M + speed_mps * seconds
        return self.away_m(fix) * (1 - ROUND_EARTH) > reach_m

    def reach_m(self, fix: LocationFix) -> float:
        """How far off an honest purchase lies at most: terminal, clock, error of the fix, the way between."""
        seconds = abs(seconds_of(fix) - self.time_s) + CLOCK_DIFFERENCE_S
        return TERMINAL_M + 2 * (fix.horizontal_accuracy_m or 0) + MAX_STREET_SPEED_MPS * seconds + 1


def haversine_m(lat1_deg: float, lon1_deg: float, lat2_deg: float, lon2_deg: float) -> float:
    """On a sphere: shares nothing with the simulator's geometry, nor with the detector's."""
    lat1, lon1, lat2, lon2 = map(math.radians, (lat1_deg, lon1_deg, lat2_deg, lon2_deg))
    squared = (
        math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, squared)))


def seconds_of(fix: LocationFix) -> float:
    """Event time of a fix."""
    return fix.event_time_ns / 1e9


def decoded(event: Event) -> LocationFix | Transaction:
    """As the detector decodes it."""
    message: LocationFix | Transaction = DECODERS[event.topic].decode(event.value_bytes)
    return message


@pytest.fixture(scope="module")
def stream() -> list[Simulated]:
    """A day of a small city."""
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
            arrival_ms = simulated.event.arrival_ms
            found.append(Purchase(label.category, label.expected, transaction, arrival_ms, track))
    return found


def of(purchases: list[Purchase], category: str, least: int = 20) -> list[Purchase]:
    """Those of one category; enough of them to mean something."""
    chosen = [purchase for purchase in purchases if purchase.category == category]
    assert len(chosen) >= least, f"only {len(chosen)} of {category}"
    return chosen


@pytest.mark.parametrize(
    "category",
    ["legit_near", "legit_glitch", "legit_coarse_fix", "legit_late_location", "legit_late_arrival"],
)
def test_honest_purchases_lie_where_the_phone_was(purchases: list[Purchase], category: str) -> None:
    """Some fix of the seconds around it says so."""
    for purchase in of(purchases, category):
        around = purchase.within(REPORT_INTERVAL_S + CLOCK_DIFFERENCE_S)
        assert any(purchase.away_m(fix) <= purchase.reach_m(fix) for fix in around)


def test_purchases_on_a_tablet_are_made_at_home(purchases: list[Purchase]) -> None:
    """Every fix that it ever sends lies there; the next ones are minutes away."""
    for purchase in of(purchases, "legit_tablet"):
        assert purchase.transaction.transaction_device == "tablet"
        assert purchase.transaction.transaction_type == "online"
        away_m = [purchase.away_m(fix) - 2 * (fix.horizontal_accuracy_m or 0) for fix, _ in purchase.fixes]
        assert max(away_m) <= TERMINAL_M + 1


def test_glitches_are_single_bad_fixes_among_good_ones(purchases: list[Purchase]) -> None:
    """400 m to 8 km off, as precise as the others by its own account, and right beside the purchase."""
    for purchase in of(purchases, "legit_glitch"):
        bad = one_bad_fix(purchase)
        assert 400 - TERMINAL_M <= purchase.away_m(bad) <= 8_100 + TERMINAL_M
        assert (bad.horizontal_accuracy_m or 0) <= 25


def test_coarse_fixes_say_that_they_are(purchases: list[Purchase]) -> None:
    """Off by 0.4 to 3 km, and not by more than they declare."""
    for purchase in of(purchases, "legit_coarse_fix"):
        coarse = [fix for fix in purchase.within(3) if (fix.horizontal_accuracy_m or 0) > 100]
        assert len(coarse) == 1
        assert 900 <= (coarse[0].horizontal_accuracy_m or 0) <= 3_000
        assert 400 <= purchase.away_m(coarse[0]) <= (coarse[0].horizontal_accuracy_m or 0) + 2 * TERMINAL_M


def one_bad_fix(purchase: Purchase) -> LocationFix:
    """The only fix of the minute around a purchase that lies elsewhere; it lies beside it in time."""
    bad = [fix for fix in purchase.within(30) if purchase.away_m(fix) > purchase.reach_m(fix)]
    assert len(bad) == 1
    assert abs(seconds_of(bad[0]) - purchase.time_s) <= 3 * CLOCK_DIFFERENCE_S
    return bad[0]


def test_drifted_fixes_lie_60_to_300_m_off_between_good_ones(purchases: list[Purchase]) -> None:
    """The fixes around the purchase are off; those of a minute before and after it are not."""
    for purchase in of(purchases, "legit_drift"):
        around = purchase.within(6)
        assert around
        drifted_m = [purchase.away_m(fix) for fix in around]
        assert all(away <= 300 + purchase.reach_m(fix) for fix, away in zip(around, drifted_m, strict=True))
        far = [fix for fix in purchase.within(85) if abs(seconds_of(fix) - purchase.time_s) > 60]
        assert all(purchase.away_m(fix) <= purchase.reach_m(fix) for fix in far)


def test_stale_purchases_lie_in_a_gap_on_the_way_between_its_ends(purchases: list[Purchase]) -> None:
    """The gap lasts 10 minutes to 4 hours (or beyond the end), and both ends can be reached by car."""
    for purchase in of(purchases, "legit_stale"):
        before, after = purchase.neighbours()
        assert before is not None
        if after is not None:
            assert 600 <= seconds_of(after) - seconds_of(before) <= 4 * 3600 + 1
            assert purchase.away_m(after) <= purchase.reach_m(after)
        assert purchase.away_m(before) <= purchase.reach_m(before)


def test_flights_are_an_airliners_and_the_phone_reports_where_they_end(purchases: list[Purchase]) -> None:
    """400 to 6,000 km in hours, slower than an airliner; then the phone is found nearby."""
    for purchase in of(purchases, "legit_flight", least=2):
        before, after = purchase.neighbours()
        assert before is not None
        assert after is not None
        way_m, hours = purchase.away_m(before), (purchase.time_s - seconds_of(before)) / 3600
        assert 400_000 <= way_m <= 6_000_000
        assert hours > 1.5
        assert way_m / (hours * 3600) < AIRLINER_MPS
        assert purchase.away_m(after) <= purchase.reach_m(after)
        assert seconds_of(after) - purchase.time_s <= 901


def test_late_locations_arrive_5_to_120_s_late_and_a_little(purchases: list[Purchase]) -> None:
    """The fix before the purchase came after it; the little is the delay that every fix has."""
    for purchase in of(purchases, "legit_late_location"):
        fix, arrival_ms = purchase.last_before(purchase.time_s - CLOCK_DIFFERENCE_S)
        assert 5 <= arrival_ms / 1000 - seconds_of(fix) <= 120 + 30
        assert arrival_ms / 1000 > purchase.time_s


@pytest.mark.parametrize("category", ["legit_late_arrival", "fraud_late_arrival"])
def test_late_transactions_arrive_30_to_240_s_late(purchases: list[Purchase], category: str) -> None:
    """And a little, as all do."""
    for purchase in of(purchases, category):
        assert 30 - 1 <= purchase.arrival_ms / 1000 - purchase.time_s <= 240 + 3


@pytest.mark.parametrize(
    ("category", "nearest_m", "furthest_m"),
    [
        ("fraud_far", 50_000, 9_000_000),
        ("fraud_near", 2_000, 50_000),
        ("fraud_close", 600, 2_000),
        ("fraud_late_arrival", 10_000, 9_000_000),
    ],
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
        assert nearest_m - slack_m <= way_m * (1 + ROUND_EARTH)
        assert way_m * (1 - ROUND_EARTH) <= furthest_m + slack_m
        assert way_m > 1.4 * slack_m
        assert purchase.is_out_of_reach(before)


def test_frauds_in_a_gap_are_out_of_reach_of_both_its_ends(purchases: list[Purchase]) -> None:
    """For any airliner."""
    for purchase in of(purchases, "fraud_stale"):
        ends = [fix for fix in purchase.neighbours() if fix is not None]
        assert ends
        assert all(purchase.is_out_of_reach(fix) for fix in ends)
        if len(ends) == 2:
            assert seconds_of(ends[1]) - seconds_of(ends[0]) >= 600


def test_false_fixes_lie_at_the_shop_and_good_ones_disagree(purchases: list[Purchase]) -> None:
    """One to three of them, within seconds; the phone itself reports before, between and after."""
    for purchase in of(purchases, "fraud_spoofed_fix"):
        around = purchase.within(20)
        false = [fix for fix in around if purchase.away_m(fix) <= TERMINAL_M + 10]
        good = [fix for fix in around if fix not in false]
        assert 1 <= len(false) <= 3
        assert len(good) > len(false)
        assert all(purchase.is_out_of_reach(fix) for fix in good if fix not in coarse_of(good))
        assert min(seconds_of(fix) for fix in good) < purchase.time_s < max(seconds_of(fix) for fix in good)


def coarse_of(fixes: list[LocationFix]) -> list[LocationFix]:
    """Those of cell towers."""
    return [fix for fix in fixes if (fix.horizontal_accuracy_m or 0) > 100]


def test_frauds_after_a_flight_are_far_from_where_the_phone_has_landed(purchases: list[Purchase]) -> None:
    """It reports there, and was far from there hours before."""
    for purchase in of(purchases, "fraud_after_flight", least=2):
        before, after = purchase.neighbours()
        assert before is not None
        assert after is not None
        assert purchase.is_out_of_reach(before)
        assert purchase.is_out_of_reach(after)
        here = (before.latitude_deg, before.longitude_deg)
        way_m = [
            haversine_m(*here, fix.latitude_deg, fix.longitude_deg)
            for fix, _ in purchase.fixes
            if 0 < purchase.time_s - seconds_of(fix) < 12 * 3600
        ]
        assert max(way_m) > 400_000


def test_card_tests_come_in_waves(purchases: list[Purchase]) -> None:
    """At one merchant and place, within a minute: many cards, small amounts, hardly different."""
    tests = [purchase for purchase in purchases if purchase.category.startswith("card_testing")]
    waves: dict[object, list[Transaction]] = {}
    for test in tests:
        use = test.transaction
        waves.setdefault((use.merchant_id, use.latitude_deg, use.longitude_deg), []).append(use)
    assert len(waves) >= 5
    for wave in waves.values():
        amounts, times_s = [use.amount for use in wave], [use.event_time_ns / 1e9 for use in wave]
        assert 20 <= len(wave) <= 40
        assert len({use.card_number for use in wave}) >= 10
        assert 0.5 <= min(amounts) <= max(amounts) <= 3.1
        assert max(amounts) - min(amounts) <= 0.11
        assert max(times_s) - min(times_s) <= 62
        assert {use.transaction_type for use in wave} == {"online"}


def test_card_tests_are_far_from_phones_that_report(purchases: list[Purchase]) -> None:
    """Or the bank knows of no phone."""
    for purchase in of(purchases, "card_testing"):
        before, after = purchase.neighbours()
        assert before is not None
        assert purchase.is_out_of_reach(before)
        assert after is None or purchase.is_out_of_reach(after)
    assert not any(purchase.fixes for purchase in of(purchases, "card_testing_unknown"))


def test_unknown_devices_never_report(purchases: list[Purchase]) -> None:
    """Not before and not after; all others have reported before they buy."""
    assert not any(purchase.fixes for purchase in of(purchases, "unknown_device"))
    known = [purchase for purchase in purchases if "unknown" not in purchase.category]
    assert all(seconds_of(p.fixes[0][0]) <= p.time_s + CLOCK_DIFFERENCE_S for p in known)


def test_labels_say_what_a_perfect_detector_ends_with(purchases: list[Purchase]) -> None:
    """As the table of docs/simulator.md has it, which names every category and no other."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (\w+) \|$", DOCUMENT.read_text(), re.MULTILINE)
    assert dict(rows) == {category.value: category.expected for category in Category}
    assert {(p.category, p.expected) for p in purchases} == set(rows)


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
    categories = Counter(simulated.label.category for simulated in stream if simulated.label)
    originals, transactions = kinds["location"] + kinds["transaction"], kinds["transaction"]
    tests = categories["card_testing"] + categories["card_testing_unknown"]
    plain = transactions - tests
    frauds = sum(count for category, count in categories.items() if category.startswith("fraud"))
    for count, among, share in (
        (frauds, plain, SCENARIO.fraud_share),
        (categories["unknown_device"], plain, SCENARIO.unknown_device_share),
        (kinds["malformed"], originals, SCENARIO.malformed_share),
        (kinds["repeat"], originals, SCENARIO.duplicate_share),
    ):
        assert abs(count - share * among) < 5 * math.sqrt(share * (1 - share) * among)
    wanted = SCENARIO.transactions_per_s * SCENARIO.duration_s
    assert abs(plain - wanted * (1 - SCENARIO.card_testing_share)) < 5 * math.sqrt(wanted)
    waves = wanted * SCENARIO.card_testing_share / 30
    assert abs(tests - 30 * waves) < 5 * 30 * math.sqrt(waves) + 40
    every_five_s = SCENARIO.customers * SCENARIO.duration_s / 5
    assert 0.4 * every_five_s < kinds["location"] < 1.1 * every_five_s  # the rest are gaps


def test_the_categories_shares_hold() -> None:
    """Where there are customers enough for all of them: within a third of what was asked for."""
    scenario = replace(SCENARIO, duration_s=1_500, customers=150, transactions_per_s=2.5, by_hour=False)
    made = [simulated.label.category for simulated in run(scenario) if simulated.label]
    count = Counter(category for category in made if not category.startswith("card_testing"))
    wanted = category_shares(scenario.fraud_share, scenario.unknown_device_share)
    slow = {Category.LEGIT_FLIGHT, Category.FRAUD_AFTER_FLIGHT}  # they take hours
    for category, share in wanted.items():
        if category not in slow:
            assert count[category] == pytest.approx(share * count.total(), rel=0.34, abs=12), category
        else:
            assert not count[category]


def test_purchases_follow_the_hours_of_the_day_where_that_is_asked_for() -> None:
    """Hardly any before dawn, most at noon and in the evening; as many in all."""
    scenario = replace(
        SCENARIO, duration_s=86_400, customers=3, transactions_per_s=0.1, card_testing_share=0.0, by_hour=True
    )
    hours: Counter[int] = Counter()
    for simulated in run(scenario):
        if simulated.label:
            hours[(simulated.event.arrival_ms - scenario.start_time_ms) // 3_600_000] += 1
    assert hours.total() == pytest.approx(8640, rel=0.1)
    assert sum(hours[hour] for hour in range(1, 5)) < 0.25 * sum(hours[hour] for hour in range(12, 16))


def test_equal_scenarios_make_equal_files(tmp_path: Path) -> None:
    """Byte for byte, compressed too; another seed makes another one."""
    scenario = replace(SCENARIO, duration_s=300)
    files = [tmp_path / "a.gz", tmp_path / "b.gz", tmp_path / "c.gz"]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        write_events(path, (each.event for each in run(replace(scenario, seed=seed))))
    one, same, other = (path.read_bytes() for path in files)
    assert one == same != other


PRINT_DIGEST = """
import hashlib
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate
digest, scenario = hashlib.sha256(), Scenario(
    seed=5, start_time_ms=1_700_000_000_000, duration_s=400, customers=50, transactions_per_s=5
)
for each in simulate(scenario, location_topic="l", transaction_topic="t"):
    digest.update(f"{each.event.arrival_ms} {each.event.value!r} {each.label}".encode())
print(digest.hexdigest())
"""


def test_equal_scenarios_make_equal_streams_in_other_processes() -> None:
    """Nothing depends on the order of a set or a dict that is hashed anew by each process."""
    digests = [
        subprocess.run(
            [sys.executable, "-c", PRINT_DIGEST],
            cwd=PROJECT_DIR,
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert digests[0] == digests[1]
    assert len(digests[0].strip()) == 64


def test_memory_depends_on_the_customers_not_on_the_length() -> None:
    """Hours more of a stream leave nothing behind."""
    stream = run(replace(SCENARIO, duration_s=86_400 * 30, customers=5, transactions_per_s=1.0))
    sizes_bytes = []
    tracemalloc.start()
    try:
        for _ in range(3):
            for _ in islice(stream, 2_000):
                pass
            gc.collect()
            sizes_bytes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert max(sizes_bytes[1:]) < sizes_bytes[0] + 200_000


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
        {"card_testing_share": 1.1},
        {"fraud_share": 0.6, "unknown_device_share": 0.5},
    ],
)
def test_impossible_scenarios_are_refused(wrong: dict[str, float]) -> None:
    """At once, not in the midst of a run."""
    with pytest.raises(ConfigError):
        replace(SCENARIO, **wrong)  # type: ignore[arg-type]  # the point of the test
