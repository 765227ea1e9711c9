"""dashboard/views.py: an analyst gets nothing exact, and nobody what nobody may see."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from dashboard.grid import Grid
from dashboard.views import DeskView
from detection.geodesy import distance_m
from tests.dashboard import ANALYST, changes, flagged, live_with, location
from tests.explaining import NOON, USER_TOKEN, used_fix

EXACT = {
    "device id": "phone-0815",
    "transaction id": "t-4711",
    "user token": USER_TOKEN,
    "merchant": "Corner Shop",
    "card": "1977",
    "latitude of the shop": "37.4421",
    "longitude of the shop": "121.9137",
    "latitude of the phone": "37.3329",
    "amount": "4711.25",
    "moment": str(int(NOON.timestamp() * 1000) + 1234),
}
LINE = flagged(
    device_id="phone-0815",
    transaction_id="t-4711",
    merchant="Corner Shop",
    latitude_deg=37.4421,
    longitude_deg=-121.9137,
    transaction_time=NOON.replace(microsecond=234_000, second=1),
    fixes=(used_fix(latitude_deg=37.3329),),
    refused=(used_fix(before_s=10, latitude_deg=37.3329),),
)
FIX = location("phone-0815", latitude_deg=37.3329, longitude_deg=-121.9137)


def test_an_analyst_gets_nothing_exact() -> None:
    """Neither in what is pushed nor in what is asked for, which are all that leaves."""
    live = live_with(FIX, LINE)
    pushed = live.changes(ANALYST, -1)
    assert pushed is not None
    name = changes(live, ANALYST)["flagged"][0]["id"]
    evidence = live.evidence(ANALYST, name)
    assert evidence is not None
    sent = pushed[0].decode() + msgspec.json.encode(evidence).decode()
    assert {what for what, text in EXACT.items() if text in sent} == set()
    assert live.track(ANALYST, "phone-0815") is None


def test_the_desk_gets_them_but_no_token() -> None:
    """So the test above can fail."""
    live = live_with(FIX, LINE)
    pushed = live.changes(DeskView(), -1)
    assert pushed is not None
    name = changes(live, DeskView())["flagged"][0]["id"]
    sent = pushed[0].decode() + msgspec.json.encode(live.evidence(DeskView(), name)).decode()
    assert {what for what, text in EXACT.items() if text not in sent} == {"user token", "amount"}
    assert "4,711.25" in sent


def test_an_analyst_sees_how_many_are_in_a_cell() -> None:
    """And the cell of a flag, in which the transaction lies."""
    live = live_with(location("a"), location("b"), location("far", latitude_deg=10.0), flagged())
    data = changes(live, ANALYST)
    assert sorted(cell[4] for cell in data["cells"]) == [1, 2]
    south, west, north, east = data["flagged"][0]["cell"]
    assert south <= 37.44 <= north
    assert west <= -121.9 <= east
    assert data["flagged"][0]["amount"] == "2,000 to 5,000"


def test_the_evidence_is_drawn_around_the_decisive_fix() -> None:
    """Every corner of the circle is as far away as the phone could have come."""
    line = flagged(refused=(used_fix(before_s=10, latitude_deg=37.4),))
    live = live_with(*(location("phone", -s, latitude_deg=37.33) for s in (42, 10, 5, 700)), line)
    name = changes(live, DeskView())["flagged"][0]["id"]
    evidence = live.evidence(DeskView(), name)
    assert evidence is not None
    decisive = next(fix for fix in evidence["fixes"] if fix["role"] == "decisive")
    far_m = [distance_m(*decisive["place"], *corner) for corner in evidence["circle"]]
    assert max(far_m) - min(far_m) < 1
    assert abs(far_m[0] - (12_455 - 12_400 + 516)) < 1
    assert [round((ms - NOON.timestamp() * 1000) / 1000) for ms, _, _ in evidence["path"]] == [-42, -5]
    assert evidence["why"].startswith("To be there, the phone needed to travel at least 12.4 km")
    assert live.evidence(DeskView(), "no such") is None


@given(st.floats(-90, 90), st.floats(-180, 180), st.sampled_from((1.0, 5.0, 50.0, 1000.0)))
def test_a_place_lies_in_its_cell_which_is_wide_enough(
    latitude_deg: float, longitude_deg: float, cell_km: float
) -> None:
    """Also at the poles and at the antimeridian."""
    south, west, north, east = Grid(cell_km).cell_of(latitude_deg, longitude_deg)
    assert south - 1e-6 <= latitude_deg <= north + 1e-6
    assert west - 1e-6 <= longitude_deg <= east + 1e-6
    assert distance_m(south, west, north, west) >= cell_km * 1000 * 0.99
    is_a_ring = east - west > 359
    if not is_a_ring:
        nearest_pole_deg = max(south, north, key=abs)
        assert (
            distance_m(nearest_pole_deg, west, nearest_pole_deg, min(east, west + 179))
            >= cell_km * 1000 * 0.95
        )
