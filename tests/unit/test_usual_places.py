"""The paper's "Approved" and "Fake transaction", from a sample of a device's readings."""

import random

from hypothesis import given
from hypothesis import strategies as st

from sketches.place_cells import Cell
from sketches.usual_places import FEWEST_READINGS, ApprovedPlaces, DevicePlaces

DAY_MS = 86_400_000
HOME = Cell.of(37.335, -121.893, 25)
FAR = Cell.of(40.71, -74.0, 10)
PHONE = b"phone"


def places(seed: int = 1) -> DevicePlaces:
    """Of a device, by the day."""
    return DevicePlaces(span_ms=DAY_MS, seed=seed)


def approved() -> ApprovedPlaces:
    """For a hundred devices, for three days."""
    return ApprovedPlaces(100, 0.01, span_ms=DAY_MS, generations=3)


def walk(device: DevicePlaces, filter_: ApprovedPlaces, cells: list[Cell], time_ms: int = 0) -> None:
    """Hand readings on as the application does."""
    for cell in cells:
        usual = device.update(cell, time_ms)
        if usual is not None:
            assert filter_.update(PHONE, usual, time_ms)


def test_the_paper_s_example_of_a_spoofed_phone() -> None:
    """Readings around home are approved, one from New York is fake, and a phone never seen is unknown."""
    device, filter_ = places(), approved()
    chance = random.Random(1)
    readings = [
        Cell.of(chance.gauss(37.335, 0.01), chance.gauss(-121.893, 0.01), chance.gauss(25, 8))
        for _ in range(200)
    ]
    walk(device, filter_, readings)
    assert {filter_.answer(PHONE, cell, 0) for cell in readings} == {"Approved"}
    assert filter_.answer(PHONE, Cell.of(37.335 + 0.19, -121.893 - 0.19, 25 + 90), 0) == "Approved"
    assert filter_.answer(PHONE, FAR, 0) == "Fake transaction"
    assert filter_.answer(PHONE, Cell.of(37.335, -121.893, 400), 0) == "Fake transaction"
    assert filter_.answer(b"another", HOME, 0) == "unknown"


def test_a_device_is_unknown_until_there_are_some_readings() -> None:
    """The first few could be anybody's."""
    device, filter_ = places(), approved()
    walk(device, filter_, [HOME] * (FEWEST_READINGS - 1))
    assert device.usual_place is None
    assert filter_.answer(PHONE, HOME, 0) == "unknown"
    walk(device, filter_, [HOME])
    assert device.usual_place == HOME
    assert filter_.answer(PHONE, HOME, 0) == "Approved"


def test_a_minority_of_false_readings_approves_nothing() -> None:
    """The mode is what most readings say."""
    device, filter_ = places(), approved()
    walk(device, filter_, [HOME] * 30 + [HOME, HOME, FAR] * 50)
    assert filter_.answer(PHONE, FAR, 0) == "Fake transaction"


def test_without_altitude_places_are_compared_by_latitude_and_longitude() -> None:
    """Of a reading, or of all the readings of a device."""
    with_altitude, without = approved(), approved()
    walk(places(), with_altitude, [HOME] * 20)
    walk(places(), without, [HOME.plane] * 20)
    assert with_altitude.answer(PHONE, HOME.plane, 0) == "Approved"
    assert with_altitude.answer(PHONE, FAR.plane, 0) == "Fake transaction"
    assert without.answer(PHONE, HOME, 0) == "Approved"
    assert without.answer(PHONE, HOME.plane, 0) == "Approved"
    assert without.answer(PHONE, FAR, 0) == without.answer(PHONE, FAR.plane, 0) == "Fake transaction"


def test_a_customer_who_moves_is_followed_and_the_old_home_forgotten() -> None:
    """Each day has its usual place; what was approved stays for the generations."""
    device, filter_ = places(), approved()
    walk(device, filter_, [HOME] * 20, time_ms=0)
    walk(device, filter_, [FAR] * 20, time_ms=DAY_MS)
    assert filter_.answer(PHONE, HOME, DAY_MS) == filter_.answer(PHONE, FAR, DAY_MS) == "Approved"
    walk(device, filter_, [FAR] * 20, time_ms=3 * DAY_MS)
    assert filter_.answer(PHONE, HOME, 3 * DAY_MS) == "Fake transaction"
    assert filter_.answer(PHONE, FAR, 3 * DAY_MS) == "Approved"
    assert filter_.answer(PHONE, FAR, 9 * DAY_MS) == "unknown"


def test_a_reading_of_an_earlier_day_changes_nothing() -> None:
    """Its day's sample is gone; what it approved is still there."""
    device = places()
    for _ in range(20):
        device.update(HOME, 2 * DAY_MS)
    before = device.to_bytes()
    assert device.update(FAR, DAY_MS) is None
    assert device.to_bytes() == before


def test_a_place_is_approved_once_a_day() -> None:
    """It costs some hundred times a look-up."""
    device = places()
    said = [device.update(HOME, day * DAY_MS) for day in range(3) for _ in range(50)]
    assert [cell for cell in said if cell] == [HOME] * 3


def test_a_home_between_cells_is_approved_once_for_each() -> None:
    """Where the mode goes to and fro."""
    device = places()
    cells = [HOME, HOME._replace(row=HOME.row + 1)]
    said = [device.update(cells[number // 3 % 2], 0) for number in range(2000)]
    assert sorted(cell for cell in said if cell) == sorted(cells)


def test_at_the_antimeridian_and_the_poles() -> None:
    """Taveuni lies on both sides of 180 degrees; at the pole longitude is nothing."""
    for usual, near, far in (
        ((-16.8, 179.95, 10.0), (-16.8, -179.95, 10.0), (-16.8, 179.6, 10.0)),
        ((89.99, 20.0, 0.0), (89.99, -140.0, 0.0), (89.0, 20.0, 0.0)),
        ((-89.99, 20.0, 2800.0), (-89.9, 170.0, 2850.0), (89.99, 20.0, 2800.0)),
    ):
        filter_ = approved()
        walk(places(), filter_, [Cell.of(*usual)] * 20)
        assert filter_.answer(PHONE, Cell.of(*near), 0) == "Approved"
        assert filter_.answer(PHONE, Cell.of(*far), 0) == "Fake transaction"


def test_false_places_are_approved_at_the_stated_rate_at_most() -> None:
    """With as many devices as the filter is for; nor is an unknown device's reading called fake."""
    filter_ = ApprovedPlaces(60, 0.02, span_ms=DAY_MS, generations=2)
    for number in range(60):
        for day in range(2):
            filter_.update(b"%d" % number, HOME._replace(row=1400 + 10 * day), day * DAY_MS)
    others = [Cell.of(row, column, 25) for row in range(-80, 30, 5) for column in range(-180, 180, 45)]
    answers = [filter_.answer(b"%d" % number, cell, DAY_MS) for number in range(60) for cell in others]
    assert 0.3 * 0.02 < answers.count("Approved") / len(answers) <= 1.2 * 0.02
    assert answers.count("unknown") == 0
    strangers = [filter_.answer(b"stranger %d" % number, HOME, DAY_MS) for number in range(10_000)]
    assert strangers.count("Approved") <= 1.2 * 0.02 * 10_000
    assert strangers.count("Fake transaction") <= 20
    assert 0.8 * 0.02 < filter_.estimated_error() <= 1.05 * filter_.error_bound()


readings = st.lists(st.tuples(st.sampled_from([HOME, HOME.plane, FAR]), st.integers(0, 3)), max_size=80)


@given(readings, readings)
def test_a_snapshot_goes_on_as_the_original(
    before: list[tuple[Cell, int]], after: list[tuple[Cell, int]]
) -> None:
    """Sample and filter, to the bit, over days that come in any order."""
    device, filter_ = places(), approved()
    for cell, day in before:
        walk(device, filter_, [cell], day * DAY_MS)
    device_again = DevicePlaces.from_bytes(device.to_bytes())
    filter_again = ApprovedPlaces.from_bytes(filter_.to_bytes())
    for cell, day in after:
        walk(device, filter_, [cell], day * DAY_MS)
        walk(device_again, filter_again, [cell], day * DAY_MS)
    assert device_again.to_bytes() == device.to_bytes()
    assert filter_again.to_bytes() == filter_.to_bytes()


@given(readings, readings)
def test_merged_it_is_of_both_streams(mine: list[tuple[Cell, int]], theirs: list[tuple[Cell, int]]) -> None:
    """The latest day's readings of both are sampled; what has one mode alone has it together."""
    one, other = places(1), places(2)
    for device, seen in ((one, mine), (other, theirs)):
        for cell, day in seen:
            device.update(cell, day * DAY_MS)
    one.merge(other)
    latest = max((day for _, day in mine + theirs), default=0)
    there = [cell for cell, day in mine + theirs if day == latest]
    if len(there) < FEWEST_READINGS:
        assert one.usual_place is None
    else:
        assert one.usual_place in there
    if len(there) <= 32:  # all are kept
        whole = places()
        for cell in there:
            whole.update(cell, 0)
        assert one.usual_place == whole.usual_place


def test_after_a_merge_the_usual_place_of_both_is_approved() -> None:
    """Also where it was neither's before."""
    one, other = places(1), places(2)
    for device in (one, other):
        for _ in range(FEWEST_READINGS // 2):
            device.update(HOME, 0)
    one.merge(other)
    assert one.update(HOME, 0) == HOME
    assert one.update(HOME, 0) is None
    one.merge(places(3))
    assert one.update(HOME, 0) is None
    one.merge(other)
    assert one.update(HOME, 0) == HOME


@given(st.lists(st.integers(0, 40), max_size=4), st.lists(st.integers(0, 40), max_size=4))
def test_merged_filters_are_the_filter_of_both(mine: list[int], theirs: list[int]) -> None:
    """To the bit."""
    one, other, whole = approved(), approved(), approved()
    for filter_, steps in ((one, mine), (other, theirs), (whole, mine + theirs)):
        for step in steps:
            filter_.update(b"%d" % step, Cell.of(step, step, step), step * DAY_MS // 10)
    one.merge(other)
    assert one.to_bytes() == whole.to_bytes()
