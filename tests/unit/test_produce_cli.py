"""What `produce` says of files, and what it does where some of it is unreadable; without a broker."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from sources.event_file import Event, read_events, write_events
from streaming.errors import ConfigError
from tests.files import TRACK_HEADER, transaction_row, write_csv
from tests.messages import CARD_NUMBER

GOOD = "phone,2024-04-01T12:00:00Z,37.3,-121.9\n"
POINT = '<trkpt lat="37.335816" lon="-121.89513"><time>2024-04-01T11:59:59Z</time></trkpt>'


def produce(*arguments: object) -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["produce", *map(str, arguments)])


def refusal(*arguments: object) -> str:
    """The line that the command ends with."""
    done = produce(*arguments)
    assert isinstance(done.exception, ConfigError)
    return str(done.exception)


def test_transactions_and_tracks_become_one_event_file(tmp_path: Path) -> None:
    """In the order of arrival, so that a purchase meets where the phone was; `replay` takes it."""
    bank = write_csv(tmp_path / "bank.csv", [transaction_row()])
    track, output = tmp_path / "phone.gpx", tmp_path / "events.jsonl.gz"
    track.write_text(f"<gpx><trk><trkseg>{POINT}</trkseg></trk></gpx>")
    done = produce("--input", bank, "--input", track, "--output", output)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"wrote 2 records to {output}: transaction_data 1, location_data 1\n"
    assert [(event.topic, event.key) for event in read_events(output)] == [
        ("location_data", "phone"),
        ("transaction_data", "phone"),
    ]
    judged = CliRunner().invoke(
        cli, ["replay", "--input", str(output), "--output", str(tmp_path / "verdicts")]
    )
    assert judged.exit_code == 0, judged.output
    assert json.loads((tmp_path / "verdicts").read_text().splitlines()[-1])["verdict"] == "cleared"


def test_what_is_unreadable_is_told_line_by_line_and_nothing_is_sent(tmp_path: Path) -> None:
    """So many as are asked for, and how many there are; never what is in them."""
    track, output = tmp_path / "track.csv", tmp_path / "events.jsonl"
    track.write_text(f"{TRACK_HEADER}\n{GOOD}" + f"phone,{CARD_NUMBER},37.3,-121.9\n" * 30)
    done = produce("--input", track, "--output", output, "--show-bad", 2)
    assert done.stderr.splitlines() == [
        f"{track}: line 3: Time is not a time: wanted ISO 8601",
        f"{track}: line 4: Time is not a time: wanted ISO 8601",
        "and 28 more",
    ]
    assert done.exit_code == 1
    assert (
        str(done.exception) == "30 of 31 records cannot be sent, so nothing was; --skip-bad sends the others"
    )
    assert not output.exists()


def test_the_rest_is_sent_where_that_is_wanted(tmp_path: Path) -> None:
    """Exit status 0: whoever asks for it knows."""
    track, output = tmp_path / "track.csv", tmp_path / "events.jsonl"
    track.write_text(f"{TRACK_HEADER}\n{GOOD}phone\n{GOOD}")
    done = produce("--input", track, "--output", output, "--skip-bad")
    assert done.exit_code == 0
    assert done.stderr.splitlines()[-1] == "1 of 3 records cannot be sent and are left out"
    assert len(list(read_events(output))) == 2


def test_a_folder_is_all_of_its_files_but_for_those_it_names(tmp_path: Path) -> None:
    """GeoLife's folders hold labels beside the tracks."""
    for user in ("000", "001"):
        folder = tmp_path / "Data" / user / "Trajectory"
        folder.mkdir(parents=True)
        (folder / "1.plt").write_text("\n" * 6 + "39.9,116.3,0,492,39744.1,2008-10-23,02:53:04\n")
    (tmp_path / "Data" / "000" / "labels.txt").write_text("walk")
    output = tmp_path / "events.jsonl"
    done = produce("--input", tmp_path / "Data", "--output", output)
    assert done.exit_code == 0, done.output
    labels = tmp_path / "Data" / "000" / "labels.txt"
    assert done.stderr == f"left out 1 files whose names tell no form: {labels}\n"
    assert [event.key for event in read_events(output)] == ["000", "001"]


def test_a_device_can_be_named_and_a_form_too(tmp_path: Path) -> None:
    """For a file that was called as somebody liked."""
    path, output = tmp_path / "export.txt", tmp_path / "events.jsonl"
    path.write_text("time_s,latitude,longitude\n1711972800,1,2\n")
    options = ("--input", path, "--output", output)
    assert "export.txt: its name does not tell its form: say it with --format" in refusal(*options)
    assert "--format is 'cvs'; it must be one of events, csv" in refusal(*options, "--format", "cvs")
    done = produce(*options, "--format", "csv", "--device-id", "phone-9")
    assert done.exit_code == 0, done.output
    assert [event.key for event in read_events(output)] == ["phone-9"]


def test_a_map_for_none_of_the_files_is_an_error(tmp_path: Path) -> None:
    """A misspelt name must not mean that the map is not looked at."""
    track, maps = tmp_path / "track.csv", tmp_path / "map.toml"
    track.write_text(f"{TRACK_HEADER}\n{GOOD}")
    maps.write_text('[walk]\nmessage = "location"\nfiles = ["trakc*.csv"]\n')
    told = refusal("--input", track, "--output", tmp_path / "x", "--map", maps)
    assert told.startswith(f"{maps}: none of its maps is for these files")


def test_an_event_file_of_any_name_is_one(tmp_path: Path) -> None:
    """As before there were other forms."""
    path, output = tmp_path / "events", tmp_path / "copy.jsonl"
    write_events(path, [Event("location_data", "k", 5, "no message at all")])
    assert produce("--input", path, "--output", output).exit_code == 0
    assert output.read_bytes() == path.read_bytes()


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    """Nor is one that a folder holds from the last time."""
    path = tmp_path / "events.jsonl"
    write_events(path, [Event("location_data", "k", 5, "v")])
    assert "is also an --input" in refusal("--input", tmp_path, "--output", path)
    assert len(list(read_events(path))) == 1


@pytest.mark.parametrize("option", [("--speed", "2"), ("--allow-expiry",)])
def test_options_for_kafka_are_refused_for_a_file(tmp_path: Path, option: tuple[str, ...]) -> None:
    """They would do nothing."""
    path = tmp_path / "events.jsonl"
    path.touch()
    assert "--speed and --allow-expiry are for Kafka" in refusal(
        "--input", path, "--output", tmp_path / "x", *option
    )


def test_a_file_that_is_not_there_is_an_error_of_one_line(tmp_path: Path) -> None:
    """Whatever its form, and also where bad ones are skipped."""
    for name in ("a.csv", "a.jsonl", "a.parquet", "a.gpx", "a.plt", "a.csv.gz", "a"):
        told = refusal("--input", tmp_path / name, "--output", tmp_path / "x", "--skip-bad")
        assert told.startswith(f"{tmp_path / name}: cannot be read: ")
        assert "No such file" in told
