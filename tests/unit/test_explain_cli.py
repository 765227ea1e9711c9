"""`python -m app explain … --from FILE`: what it prints, and when it fails."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.explain import explain
from app.settings import PROJECT_DIR
from sources.event_file import write_events
from streaming.errors import ConfigError
from tests.messages import CARD_NUMBER, CUSTOMER_NAME, NOON_MS
from tests.pipeline import location, purchase

EVENTS = [
    location("phone", NOON_MS - 42_000, HorizontalAccuracy=5.0),
    purchase("far", "phone", NOON_MS, lat=37.44),
    purchase("unknown \x1b[31m", "never-seen", NOON_MS + 500),
    purchase("bad", "phone", NOON_MS + 600, Amount="much"),
    location("phone", NOON_MS + 1000),
]


@pytest.fixture(params=["events.jsonl", "events.jsonl.gz"])
def event_file(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file of a fraud, an unknown device and a record that cannot be read."""
    key_file = tmp_path / "token.key"
    key_file.write_text("test:" + "5a" * 32)
    monkeypatch.setenv("SMARTBANK_TOKEN_KEY_FILE", str(key_file))
    path = tmp_path / str(request.param)
    write_events(path, EVENTS)
    return str(path)


def test_a_flag_is_told_in_words_and_figures(event_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The verdict, why, how far, how fast, by which locations, and how it came about; no secret."""
    explain("far", source=event_file)
    said, _ = capsys.readouterr()
    for part in (
        "transaction far: flagged (final, revision 2, profile envelope version 1)",
        "to where it was 1.0 s after; at most",
        "[beyond_reach_of_fix_before]",
        "[beyond_reach_of_fix_after]",
        "12,208.3 m",  # 0.11 degrees of a meridian whose radius is 6,358,968 m there
        "37.330000, -121.890000",
        "-42.0 s",
        "decisive",
        "provisional",
    ):
        assert part in said
    for secret in (CARD_NUMBER, CUSTOMER_NAME, "test:", "12.5 ", "12.50"):
        assert secret not in said


def test_the_profile_of_a_file_may_be_chosen(event_file: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As `replay` has it."""
    explain("far", source=event_file, profile="paper")
    said, _ = capsys.readouterr()
    assert "flagged (final, revision 1, profile paper version 1)" in said
    assert "[faster_than_reported]" in said
    assert "290.7 m/s" in said  # 12,208.3 m in 42 s


def test_a_device_that_was_never_seen_has_its_sentence(
    event_file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """And an id that would colour the terminal does not."""
    explain("unknown \x1b[31m", source=event_file)
    said, _ = capsys.readouterr()
    assert "no location (final" in said
    assert "No location of this phone was found within 10 minutes." in said
    assert "\x1b" not in said


def test_a_refused_record_has_its_sentence_and_no_picture(
    event_file: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it stands and what is wrong with it."""
    with pytest.raises(ConfigError, match="is not drawn: there is no verdict"):
        explain("bad", source=event_file, plot_path=tmp_path / "bad.png")
    said, _ = capsys.readouterr()
    assert f"bad: no verdict. Its record, line 4 of {event_file}, was put aside as malformed: " in said
    assert "much" not in said


@pytest.mark.parametrize("name", ["why.png", "why.html"])
def test_it_draws(event_file: str, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """And says where."""
    path = tmp_path / name
    explain("far", source=event_file, plot_path=path)
    assert path.stat().st_size > 20_000
    assert f"drawn: {path}" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["why.svg", "why", "no_such_folder/why.png"])
def test_what_cannot_be_drawn_is_said_before_anything_is_read(tmp_path: Path, name: str) -> None:
    """Reading may take minutes."""
    with pytest.raises(ConfigError, match="why"):
        explain("far", source="no such file", plot_path=tmp_path / name)


def test_a_plot_that_cannot_be_written_is_an_error(event_file: str, tmp_path: Path) -> None:
    """A folder stands in its place."""
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ConfigError, match=r"folder\.png cannot be written: "):
        explain("far", source=event_file, plot_path=tmp_path / "folder.png")


def test_a_profile_for_kafka_is_refused() -> None:
    """What lies there was decided already."""
    with pytest.raises(ConfigError, match="--profile judges a file"):
        explain("far", profile="paper")


def test_an_id_that_is_no_utf8_is_refused() -> None:
    """As a shell hands on bytes of another encoding."""
    with pytest.raises(ConfigError, match="is no UTF-8"):
        explain("t\udcff")
    with pytest.raises(ConfigError, match="--device"):
        explain("t", device="\udcff")


def test_other_commands_do_not_wait_for_the_plots() -> None:
    """Both plotting libraries take as long to import as all the rest."""
    program = (
        "import sys, app.cli.main; print([m for m in ('matplotlib', 'plotly', 'numpy') if m in sys.modules])"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program], cwd=PROJECT_DIR, capture_output=True, text=True, check=True
    )
    assert shown.stdout.strip() == "[]"
