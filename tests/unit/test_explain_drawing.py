"""app/explaining: what is drawn lies where it lies on the Earth, and the files can be had."""

import json
import re
from math import hypot
from pathlib import Path

import pytest
from pyproj import Transformer

from app.explaining.drawing import Drawing, Place, circle, drawing_of, place_of
from app.explaining.finding import Finding
from app.plots.evidence import draw_evidence, page_of
from models.judgement import UsedFix
from tests.explaining import NOON, decision, paper, seen_fix, unseen, used_fix

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def drawing(**changes: object) -> Drawing:
    """A decision with one refused and one other fix."""
    refused = used_fix(before_s=10.0, latitude_deg=38.5)
    other = seen_fix(before_s=60.0, latitude_deg=37.331)
    return drawing_of(Finding((decision(refused=(refused,), **changes),), (other,)))


@pytest.mark.parametrize(
    ("centre", "point"),
    [
        ((37.33, -121.89), (37.44, -121.9)),
        ((-17.0, 179.99), (-16.9, -179.98)),  # Fiji: the antimeridian runs through it
        ((52.0, -179.9), (51.0, 179.7)),  # the Aleutians
        ((89.99, 10.0), (89.98, -170.0)),  # over the pole
        ((90.0, 0.0), (89.0, 90.0)),
        ((10.0, 20.0), (-60.0, 170.0)),
    ],
)
def test_the_plane_is_projs_azimuthal_equidistant_projection(
    centre: tuple[float, float], point: tuple[float, float]
) -> None:
    """PROJ has it as aeqd: another way to the same place, to the millimetre."""
    aeqd = f"+proj=aeqd +lat_0={centre[0]} +lon_0={centre[1]} +ellps=WGS84 +units=m"
    to_plane = Transformer.from_crs("+proj=longlat +ellps=WGS84", aeqd, always_xy=True)
    east_m, north_m = to_plane.transform(point[1], point[0])
    place = place_of(*centre, *point)
    assert place.east_m == pytest.approx(east_m, abs=0.001)
    assert place.north_m == pytest.approx(north_m, abs=0.001)


def test_a_track_over_the_antimeridian_stays_together() -> None:
    """Two kilometres are two kilometres there, too; on a map of degrees they are 360 degrees."""
    fixes = (
        used_fix(latitude_deg=0.0, longitude_deg=179.995),
        used_fix(before_s=50.0, latitude_deg=0.0, longitude_deg=-179.995),
    )
    drawn = drawing_of(Finding((decision(fixes=fixes, latitude_deg=0.0, longitude_deg=-179.99),), ()))
    # A degree of the equator is 111,319.49 m (6,378,137 m * pi / 180).
    assert [mark.role for mark in drawn.marks] == ["used", "decisive"]
    assert drawn.marks[0].place.east_m == pytest.approx(1113.19, abs=0.01)
    assert drawn.marks[1].place == Place(0.0, 0.0)
    assert drawn.transaction.east_m == pytest.approx(1669.79, abs=0.01)
    assert abs(drawn.transaction.north_m) < 0.001


def test_the_transaction_is_as_far_from_the_centre_as_the_decision_says() -> None:
    """So that it lies inside or outside of the circle as the verdict has it."""
    drawn = drawing()
    away_m = hypot(drawn.transaction.east_m, drawn.transaction.north_m)
    # By hand: 0.11 degrees of latitude are 12,208 m there, 0.01 of longitude 885 m.
    assert away_m == pytest.approx(12_240, abs=5)
    assert drawn.reach_m == pytest.approx(571.0)
    assert [hypot(p.east_m, p.north_m) for p in circle(571.0)] == [pytest.approx(571.0)] * 181


def test_what_was_refused_is_marked_and_is_no_part_of_the_track() -> None:
    """It may lie anywhere: it must neither bend the line nor shrink the picture."""
    drawn = drawing()
    assert [mark.role for mark in drawn.marks] == ["other", "decisive", "refused"]
    assert len(drawn.track) == 2
    assert drawn.told("refused") == "refused, 1 beyond the picture"
    assert drawn.told("decisive") == "decisive"
    assert drawn.north_m < 40_000


def test_a_circle_that_would_fill_the_picture_is_told_of() -> None:
    """After two hours an airliner may be anywhere; the phone's few metres must still be seen."""
    near = {"latitude_deg": 37.33, "longitude_deg": -121.8899}
    drawn = drawing(verdict="cleared", possible_m=2_000_000.0, required_m=0.0, distance_m=8.9, **near)
    assert drawn.reach_told == "within reach: at least 2,000 km, beyond the picture"
    assert drawn.east_m < 100


def test_without_a_circle_the_transaction_is_still_drawn(tmp_path: Path) -> None:
    """No location, and the paper's rule where both have the same time."""
    for of in (unseen(), paper(verdict="cleared", elapsed_s=0.0)):
        drawn = drawing_of(Finding((of,), ()))
        assert drawn.reach_m is None
        assert drawn.west_m < drawn.transaction.east_m < drawn.east_m
        draw_evidence(tmp_path / "drawn.png", drawn)
        draw_evidence(tmp_path / "drawn.html", drawn)


def test_a_png_is_one(tmp_path: Path) -> None:
    """Large enough to read; a dollar sign in an id begins no formula."""
    path = tmp_path / "drawn.png"
    draw_evidence(path, drawing(transaction_id="$t_{1$"))
    content = path.read_bytes()
    assert content.startswith(PNG_SIGNATURE)
    width, height = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    assert width > 1000
    assert height > 1000
    assert len(content) > 20_000


def test_a_page_needs_no_network_and_runs_nothing_from_outside(tmp_path: Path) -> None:
    """The id is text in it, whatever it is; the verdict stands in the title."""
    path = tmp_path / "drawn.html"
    draw_evidence(path, drawing(transaction_id="</script><script>alert(1)</script>"))
    page = path.read_text()
    assert "<script>alert(1)" not in page
    assert not re.search(r"<(script|link|img)[^>]+(src|href)=", page)
    assert "flagged (final, revision 2, profile envelope version 1)" in page


def test_the_axes_of_a_page_are_metric_and_equal() -> None:
    """The figure that the page draws: the circle is one, and places are metres."""
    figure = page_of(drawing())
    json.dumps(figure)
    assert figure["layout"]["yaxis"]["scaleanchor"] == "x"
    by_name = {trace["name"]: trace for trace in figure["data"]}
    assert set(by_name) == {
        "within reach: 571 m",
        "track",
        "other locations",
        "refused, 1 beyond the picture",
        "decisive",
        "transaction",
    }
    assert (by_name["decisive"]["x"], by_name["decisive"]["y"]) == ([0.0], [0.0])
    assert by_name["decisive"]["text"] == [
        "decisive: 2024-04-01 11:59:18 UTC, 42 s before, 12.2 km away, accurate to 5.0 m, at 1.0 m/s"
    ]


def test_unknown_readings_are_left_out() -> None:
    """A negative accuracy is none."""
    fix = UsedFix(NOON, 37.33, -121.89, speed_mps=-1.0, accuracy_m=-1.0)
    (mark,) = drawing_of(Finding((decision(fixes=(fix,)),), ())).marks
    assert "accurate" not in mark.told
    assert "m/s" not in mark.told
