"""sources/files/: tracks as GPX, as GeoLife has them, and as the Sensor Logger app exports them."""

import gzip
import tracemalloc
from pathlib import Path

import pytest

from app.settings import PROJECT_DIR
from sources.files.result import Placed, Unreadable
from sources.files.text import open_bytes
from tests.files import events_of, input_file, messages_of, results_of, unreadable_of

GEOLIFE = PROJECT_DIR.parent / "shared" / "data" / "geolife"

POINT = '<trkpt lat="37.3" lon="-121.9"><time>2024-04-01T12:00:00Z</time></trkpt>'
GARMIN_POINT = (
    '<extensions><g:TrackPointExtension xmlns:g="http://www.garmin.com/xmlschemas/TrackPointExtension/v2">'
    "<g:speed>2.5</g:speed><g:course>90</g:course></g:TrackPointExtension></extensions>"
)
PLT_HEAD = "Geolife trajectory\r\nWGS 84\r\nAltitude is in Feet\r\nReserved 3\r\n0,2,255,My Track,0\r\n0\r\n"


def gpx(folder: Path, inside: str, *, namespace: str = "http://www.topografix.com/GPX/1/1") -> Path:
    """A GPX file."""
    path = folder / "phone-7.gpx"
    path.write_text(f'<?xml version="1.0"?>\n<gpx version="1.1" xmlns="{namespace}">{inside}</gpx>')
    return path


def track(*segments: str) -> str:
    """A track of these segments."""
    return "<trk><name>A walk</name>" + "".join(f"<trkseg>{each}</trkseg>" for each in segments) + "</trk>"


def test_a_point_is_a_location_of_the_device_that_the_file_is_named_after(tmp_path: Path) -> None:
    """With what the schema of GPX has for it, and nothing more."""
    inside = track(
        '<trkpt lat="37.335816" lon="-121.895130"><ele>27.5</ele><time>2024-04-01T14:00:00.25+02:00</time>'
        "<name>x</name><hdop>1.5</hdop></trkpt>"
    )
    (event,) = events_of(gpx(tmp_path, inside))
    assert (event.topic, event.key, event.arrival_ms) == ("location_data", "phone-7", 1_711_972_800_250)
    assert messages_of([event]) == [
        {
            "DeviceId": "phone-7",
            "Time": "2024-04-01T12:00:00.250000Z",
            "Latitude": 37.335816,
            "Longitude": -121.89513,
            "Altitude": 27.5,
        }
    ]


@pytest.mark.parametrize(
    "inside",
    [
        "<speed>2.5</speed><course>90</course>",
        GARMIN_POINT,
        '<extensions><o:speed xmlns:o="https://osmand.net">2.5</o:speed><bearing>90</bearing></extensions>',
    ],
    ids=["GPX 1.0", "Garmin", "OsmAnd"],
)
def test_speed_and_course_are_found_where_programs_put_them(tmp_path: Path, inside: str) -> None:
    """In metres per second, all of them."""
    (message,) = messages_of(events_of(gpx(tmp_path, track(POINT.replace("</trkpt>", f"{inside}</trkpt>")))))
    assert (message["Speed"], message["Bearing"]) == (2.5, 90.0)


def test_accuracy_is_one_in_metres_and_no_dilution(tmp_path: Path) -> None:
    """Hdop has no unit."""
    inside = "<hdop>9</hdop><extensions><accuracy>4.5</accuracy></extensions></trkpt>"
    (message,) = messages_of(events_of(gpx(tmp_path, track(POINT.replace("</trkpt>", inside)), namespace="")))
    assert message["HorizontalAccuracy"] == 4.5


def test_points_of_all_tracks_and_segments_are_read_and_named(tmp_path: Path) -> None:
    """Routes and waypoints are plans and marks: nobody needs to have been there."""
    bad = '<trkpt lat="37.3" lon="-121.9"/>'
    inside = (
        '<wpt lat="1" lon="1"><time>2024-04-01T12:00:00Z</time></wpt>'
        '<rte><rtept lat="1" lon="1"/></rte>' + track(POINT * 2, POINT) + track(POINT + bad + POINT)
    )
    found = results_of(gpx(tmp_path, inside))
    assert [each.place for each in found] == [
        "track 1, segment 1, point 1",
        "track 1, segment 1, point 2",
        "track 1, segment 2, point 1",
        "track 2, segment 1, point 1",
        "track 2, segment 1, point 2",
        "track 2, segment 1, point 3",
    ]
    assert [isinstance(each, Unreadable) for each in found] == [False] * 4 + [True, False]
    assert found[4] == Unreadable("track 2, segment 1, point 2", "Object missing required field `Time`")


@pytest.mark.parametrize(
    ("point", "reason"),
    [
        (
            '<trkpt lon="1"><time>2024-04-01T12:00:00Z</time></trkpt>',
            "Object missing required field `Latitude`",
        ),
        ('<trkpt lat="nan" lon="1"><time>2024-04-01T12:00:00Z</time></trkpt>', "Latitude is not a number"),
        ('<trkpt lat="91" lon="1"><time>2024-04-01T12:00:00Z</time></trkpt>', "Expected `float` <= 90.0"),
        ('<trkpt lat="1" lon="1"><time>yesterday</time></trkpt>', "Time is not a time"),
    ],
)
def test_a_bad_point_is_named_with_its_reason(tmp_path: Path, point: str, reason: str) -> None:
    """The next one is read."""
    bad, good = results_of(gpx(tmp_path, track(point + POINT)))
    assert isinstance(bad, Unreadable)
    assert bad.reason.startswith(reason)
    assert isinstance(good, Placed)


def bomb(depth: int = 9) -> str:
    """A billion laughs."""
    entities = "".join(f'<!ENTITY a{n + 1} "{f"&a{n};" * 10}">' for n in range(depth))
    return (
        f'<?xml version="1.0"?><!DOCTYPE gpx [<!ENTITY a0 "ha">{entities}]><gpx><trk>&a{depth};</trk></gpx>'
    )


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (bomb(), "the XML defines entities"),
        (
            '<!DOCTYPE g [<!ENTITY x SYSTEM "file:///etc/passwd">]><gpx><trk>&x;</trk></gpx>',
            "the XML defines",
        ),
        ("", "is no XML from line 1 on"),
        ("lat,lon\n1,2\n", "is no XML from line 1 on"),
        ("<gpx>" + "<trk>" * 200_000, "is nested too deeply"),
        (f"<gpx><trk><name>{'x' * 3_000_000}</name></trk></gpx>", "has a text of more than a mebibyte"),
    ],
    ids=["laughs", "a file", "empty", "csv", "deep", "long"],
)
def test_what_is_no_gpx_or_an_attack_is_unreadable(tmp_path: Path, content: str, reason: str) -> None:
    """It takes neither time nor memory."""
    path = tmp_path / "track.gpx"
    path.write_text(content)
    (found,) = unreadable_of(path).items()
    assert found[0] == "at the beginning"
    assert found[1].startswith(reason)


def test_a_track_that_is_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    """A logger without power. What follows is named as lost."""
    path = gpx(tmp_path, track(POINT * 3))
    path.write_text(path.read_text()[:-60])
    *good, bad = results_of(path)
    assert len(good) == 2
    assert bad == Unreadable(
        "after track 1, segment 1, point 3", "is no XML from line 2 on: cut off or damaged"
    )


def test_a_long_track_is_read_in_constant_memory(tmp_path: Path) -> None:
    """Ten times the points, the same peak but for a little."""
    peaks = []
    for points in (1_000, 10_000):
        path = tmp_path / "long.gpx.gz"
        with gzip.open(path, "wt", 1) as file:
            file.write("<gpx><trk><trkseg>")
            file.writelines([POINT] * points)
            file.write("</trkseg></trk></gpx>")
        tracemalloc.start()
        assert sum(1 for each in input_file(path).read() if isinstance(each, Placed)) == points
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]


def test_geolife_s_own_form(tmp_path: Path) -> None:
    """Feet, -777 for no altitude, the folder is the user; figures of its own first track's kind."""
    path = tmp_path / "007" / "Trajectory" / "20081023025304.plt"
    path.parent.mkdir(parents=True)
    path.write_text(
        PLT_HEAD
        + "39.984702,116.318417,0,492,39744.1201851852,2008-10-23,02:53:04\r\n"
        + "39.984683,116.31845,0,-777,39744.1202546296,2008-10-23,02:53:10\r\n"
        + "400.166666666667,116.3,0,1,39744.12,2008-10-23,02:53:11\r\n"
    )
    first, second, bad = results_of(path)
    assert isinstance(first, Placed)
    assert isinstance(second, Placed)
    assert (first.place, second.place) == ("line 7", "line 8")
    assert first.event.key == "007"
    assert messages_of([first.event, second.event]) == [
        {
            "DeviceId": "007",
            "Time": "2008-10-23T02:53:04Z",
            "Latitude": 39.984702,
            "Longitude": 116.318417,
            "Altitude": pytest.approx(149.9616),
        },
        {"DeviceId": "007", "Time": "2008-10-23T02:53:10Z", "Latitude": 39.984683, "Longitude": 116.31845},
    ]
    assert isinstance(bad, Unreadable)  # GeoLife really has such a line
    assert bad.place == "line 9"


def test_what_sensor_logger_exports(tmp_path: Path) -> None:
    """Location.csv of the app that the paper's phones run: nanoseconds, SI units."""
    path = tmp_path / "Location.csv"
    path.write_text(
        "time,seconds_elapsed,bearingAccuracy,speedAccuracy,verticalAccuracy,horizontalAccuracy,speed,bearing,"
        "altitude,longitude,latitude\n"
        "1711972800123456789,0.1,-1,0.5,3.5,4.7,0.33,-1,27.1,-121.89513,37.335816\n"
    )
    (message,) = messages_of(events_of(path))
    assert message["Time"] == "2024-04-01T12:00:00.123456Z"
    assert (message["Speed"], message["HorizontalAccuracy"], message["Bearing"]) == (0.33, 4.7, -1.0)


def test_real_tracks_are_read_whole() -> None:
    """Every line of them, counted by its ends; real people went there, so the speeds are theirs."""
    if not GEOLIFE.is_dir():
        pytest.skip(f"the real tracks are not here: {GEOLIFE}")
    for path in sorted(GEOLIFE.glob("user_*.csv")):
        events = events_of(path)
        assert len(events) == path.read_bytes().count(b"\n") - 1
        assert {event.key for event in events} == {path.stem}
        with open_bytes(path) as file:
            first = file.readlines()[1].decode().strip().split(",")
        assert events[0].arrival_ms == int(first[0]) * 1000
        message = messages_of(events[:1])[0]
        assert [message["Latitude"], message["Longitude"], message["Altitude"]] == list(map(float, first[1:]))
