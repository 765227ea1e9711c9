"""sources/files/maps.py: maps of one's own, and what is wrong with them."""

from pathlib import Path

import pytest

from sources.files.maps import read_maps
from sources.files.result import Unreadable
from streaming.errors import ConfigError
from tests.files import events_of, messages_of, results_of, unreadable_of

NOON_S = 1_711_972_800


def location(folder: Path, source: str, cell: str, field: str = "Speed", *, more: str = "") -> object:
    """The field that a map makes of a cell."""
    path = folder / "walk.csv"
    path.write_text(f'"t","lat","lon","cell"\n{NOON_S},1,2,"{cell}"\n')
    toml = (
        f'[walk]\nmessage = "location"\n{more}\n[walk.fields]\nTime = {{ column = "t", unit = "s" }}\n'
        f'Latitude = "lat"\nLongitude = "lon"\n{field} = {source}\n'
    )
    return messages_of(events_of(path, toml=toml))[0].get(field)


GPX_POINT = '<trkpt lat="1" lon="2"><time>2024-04-01T12:00:00Z</time></trkpt>'


def moment(folder: Path, source: str, cells: str) -> object:
    """The time that a map makes of cells a and b."""
    path = folder / "walk.csv"
    path.write_text(f"a,b,lat,lon\n{cells},1,2\n")
    toml = (
        f'[walk]\nmessage = "location"\n[walk.fields]\nTime = {source}\nLatitude = "lat"\nLongitude = "lon"\n'
    )
    (found,) = results_of(path, toml=toml)
    return found.reason if isinstance(found, Unreadable) else messages_of([found.event])[0]["Time"]


@pytest.mark.parametrize(
    ("field", "unit", "cell", "wanted"),
    [
        ("Speed", "km/h", "90", 25.0),
        ("Speed", "kn", "3600", 1852.0),
        ("Speed", "mph", "10", 4.4704),
        ("Speed", "ft/s", "10", 3.048),
        ("Speed", "km/h", "-1", pytest.approx(-1 / 3.6)),
        ("Altitude", "ft", "492", pytest.approx(149.9616)),
        ("Altitude", "km", "1.5", 1500.0),
        ("HorizontalAccuracy", "mi", "1", 1609.344),
        ("Bearing", "rad", "3.141592653589793", 180.0),
        ("Bearing", "deg", "90", 90.0),
    ],
)
def test_units_become_ours(tmp_path: Path, field: str, unit: str, cell: str, wanted: float) -> None:
    """By the definitions of the international foot, mile and knot."""
    assert location(tmp_path, f'{{ column = "cell", unit = "{unit}" }}', cell, field) == wanted


@pytest.mark.parametrize(
    ("source", "cell", "wanted"),
    [
        ('{ column = "cell", unknown = [-777] }', "-777.0", None),
        ('{ column = "cell", unknown = ["NA"] }', " NA ", None),
        ('{ column = "cell", unknown = ["NA"] }', "3", 3.0),
        ('"cell"', "", None),
        ("{ constant = 1.5 }", "", 1.5),
    ],
)
def test_what_is_unknown_is_left_out(tmp_path: Path, source: str, cell: str, wanted: float | None) -> None:
    """Not sent as a number that means something else."""
    assert location(tmp_path, source, cell) == wanted


def test_a_decimal_comma_is_one_where_the_map_says_so(tmp_path: Path) -> None:
    """As half of Europe writes it."""
    more = 'csv = { decimal = "," }'
    assert location(tmp_path, '{ column = "cell", unit = "km/h" }', "36,0", more=more) == 10.0


@pytest.mark.parametrize(
    ("source", "cells", "wanted"),
    [
        ('{ column = "a", unit = "s" }', f"{NOON_S}.25,", "2024-04-01T12:00:00.250000Z"),
        ('{ column = "a", unit = "ms" }', f"{NOON_S}250,", "2024-04-01T12:00:00.250000Z"),
        ('{ column = "a", unit = "us" }', f"{NOON_S}250001,", "2024-04-01T12:00:00.250001Z"),
        ('{ column = "a", unit = "ns" }', f"{NOON_S}250001999,", "2024-04-01T12:00:00.250001Z"),
        ('{ column = "a", unit = "ns" }', "1.7119728e18,", "2024-04-01T12:00:00Z"),
        ('{ column = "a", unit = "days_since_1899-12-30" }', "45383.5,", "2024-04-01T12:00:00Z"),
        ('{ column = "a", format = "%d/%m/%Y %H:%M" }', "01/04/2024 12:00,", "2024-04-01T12:00:00Z"),
        ('{ column = "a", zone = "America/Los_Angeles" }', "2024-04-01 05:00,", "2024-04-01T12:00:00Z"),
        ('{ column = "a", zone = "America/Los_Angeles" }', "2024-04-01T12:00Z,", "2024-04-01T12:00:00Z"),
        ('{ columns = ["a", "b"], zone = "Europe/Berlin" }', "2024-04-01,14:00", "2024-04-01T12:00:00Z"),
        ('{ columns = ["a", "b"] }', "2024-04-01,", "Object missing required field `Time`"),
        ('{ column = "a", unit = "s" }', "1e999999999,", "Time is not a time: wanted a number (s)"),
        ('{ column = "a", unit = "s" }', "nan,", "Time is not a time: wanted a number (s)"),
        ('{ column = "a", unit = "s" }', f"{'9' * 50},", "Time is not a time: wanted a number (s)"),
        ('{ column = "a", format = "%d/%m/%Y" }', "31/02/2024,", "Time is not a time: wanted %d/%m/%Y"),
    ],
)
def test_times_of_all_forms_become_utc(tmp_path: Path, source: str, cells: str, wanted: str) -> None:
    """45383.5 is what a spreadsheet has for noon of 1 April 2024; nanoseconds are cut."""
    assert moment(tmp_path, source, cells) == wanted


def test_the_time_of_arrival_has_a_column_of_its_own(tmp_path: Path) -> None:
    """A row without one cannot be put into the order."""
    path = tmp_path / "bank.csv"
    head = "Transaction ID,Device ID,Timestamp,Amount,Location Latitude,Location Longitude,received"
    row = "t,phone,2024-04-01T12:00:00Z,1999,1,2"
    path.write_text(f"{head}\n{row},{NOON_S}500\n{row},\n")
    toml = (
        '[bank]\nmessage = "transaction"\narrival = { column = "received", unit = "ms" }\n'
        'fields.Amount = { column = "Amount", unit = "cents" }\n'
    )
    good, _ = results_of(path, toml=toml)
    assert good.event.arrival_ms == NOON_S * 1000 + 500  # type: ignore[union-attr]
    assert messages_of([good.event])[0]["Amount"] == 19.99  # type: ignore[union-attr]
    assert unreadable_of(path, toml=toml) == {"line 3": "has no time of arrival"}


def test_a_map_is_for_the_files_that_it_names(tmp_path: Path) -> None:
    """One without `files` is for all whose columns have no fixed names: a GPX track needs none."""
    toml = (
        '[walk]\nmessage = "location"\nfiles = ["walk*.csv"]\nfields.Latitude = "y"\n'
        '[rest]\nmessage = "location"\nfields.Latitude = "north"\n'
    )
    for name, column in (("walk-1.csv", "y"), ("other.csv", "north")):
        path = tmp_path / name
        path.write_text(f"Time,Longitude,{column}\n2024-04-01T12:00:00Z,2,1\n")
        assert messages_of(events_of(path, toml=toml))[0]["Latitude"] == 1.0
    track = tmp_path / "walk.gpx"
    track.write_text(f"<gpx><trk><trkseg>{GPX_POINT}</trkseg></trk></gpx>")
    assert len(events_of(track, toml=toml)) == 1


def test_a_column_that_the_map_names_must_be_there(tmp_path: Path) -> None:
    """A misspelt one must not mean that the phones had no speed. JSON leaves out what is null."""
    path = tmp_path / "walk.csv"
    path.write_text("Time,Latitude,Longitude,speed\n2024-04-01T12:00:00Z,1,2,3\n")
    toml = '[walk]\nmessage = "location"\nfields.Speed = "sped"\n'
    with pytest.raises(ConfigError, match=r"has no column 'sped', which the form 'walk' has"):
        results_of(path, toml=toml)
    objects = tmp_path / "walk.jsonl"
    objects.write_text('{"DeviceId":"a","Time":"2024-04-01T12:00:00Z","Latitude":1,"Longitude":2}\n')
    assert len(events_of(objects, toml=toml)) == 1


def test_a_constant_that_is_no_value_of_its_field_is_an_error(tmp_path: Path) -> None:
    """Before the first row, and not for each."""
    path = tmp_path / "walk.csv"
    path.write_text("Time,Longitude\n2024-04-01T12:00:00Z,2\n")
    toml = '[walk]\nmessage = "location"\nfields.Latitude = { constant = "north" }\n'
    with pytest.raises(ConfigError, match=r"walk\.csv: Latitude is not a number"):
        results_of(path, toml=toml)


@pytest.mark.parametrize(
    ("toml", "problem"),
    [
        ("", "holds no map"),
        ("x", "is no TOML"),
        ("walk = 1", r"\[walk\]: is no table"),
        ("[walk]", "missing required field `message`"),
        ('[walk]\nmessage = "place"', "Invalid enum value 'place' - at `message`"),
        ('[walk]\nmessage = "location"\nfeilds = {}', "unknown field `feilds`"),
        (
            '[walk]\nmessage = "location"\nfields.Sped = "x"',
            "Sped is no field of a location; there are DeviceId",
        ),
        (
            '[walk]\nmessage = "location"\nfields.Speed = {}',
            "Speed: name one of column, columns and constant",
        ),
        (
            '[walk]\nmessage = "location"\nfields.Speed = { column = "a", constant = 1 }',
            "Speed: name one of column",
        ),
        (
            '[walk]\nmessage = "location"\nfields.Speed = { column = "a", unit = "ft" }',
            "Speed: unit is 'ft'; it may be m/s, km/h, mph, kn, ft/s",
        ),
        (
            '[walk]\nmessage = "location"\nfields.DeviceId = { column = "a", unit = "s" }',
            "DeviceId: unit is 's'; this field has none",
        ),
        (
            '[walk]\nmessage = "location"\nfields.Speed = { column = "a", zone = "UTC" }',
            "Speed: format and zone are for times",
        ),
        (
            '[walk]\nmessage = "location"\nfields.Time = { column = "a", unit = "s", zone = "UTC" }',
            "Time: a time with a unit is counted since an epoch",
        ),
        (
            '[walk]\nmessage = "location"\nfields.Time = { column = "a", zone = "Mars/Olympus" }',
            "Time: zone is 'Mars/Olympus', which this machine does not know",
        ),
        ('[walk]\nmessage = "location"\narrival = { constant = 1 }', "arrival: not all can have arrived"),
        ('[walk]\nmessage = "location"\ncsv = { delimiter = ";;" }', "csv.delimiter is ';;'"),
        ('[walk]\nmessage = "location"\ncsv = { decimal = "," }\ncsv.delimiter = ","', "is no TOML"),
        ('[walk]\nmessage = "location"\ncsv = { encoding = "utf-9" }', "csv.encoding is 'utf-9'"),
        ('[walk]\nmessage = "location"\ncsv = { skip_lines = -1 }', "csv.skip_lines is below 0"),
    ],
)
def test_what_is_wrong_with_a_map_is_named(tmp_path: Path, toml: str, problem: str) -> None:
    """With file, map and field, before any file is read."""
    path = tmp_path / "map.toml"
    path.write_text(toml)
    with pytest.raises(ConfigError, match=r"map\.toml: .*" + problem if problem[0] != "h" else problem):
        read_maps(path)


def test_a_map_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The usual mistake is a wrong name."""
    with pytest.raises(ConfigError, match=r"none\.toml: cannot be read: No such file"):
        read_maps(tmp_path / "none.toml")
