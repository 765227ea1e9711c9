"""What docs/files.md shows is what happens."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.settings import PROJECT_DIR
from sources.files.file_map import CsvForm, Source
from sources.files.forms import FORMS
from sources.files.units import EPOCHS, units_of
from streaming.errors import PipelineError

PAGE = (PROJECT_DIR / "docs" / "files.md").read_text()
BLOCKS = re.findall(r"^```(\S+) ?(\S*)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def output_of(command: str) -> str:
    """What a command prints, on both of its ways, as the command line would end it."""
    program, *arguments = shlex.split(command)
    assert [program, *arguments[:2]] == ["python", "-m", "app"]
    done = CliRunner().invoke(cli, arguments[2:])
    if isinstance(done.exception, PipelineError):
        return f"{done.output}error: {done.exception}\n"
    assert done.exit_code == 0, done.exception
    return done.output


def test_its_commands_print_what_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the files that it shows, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    commands = 0
    for language, name, content in BLOCKS:
        if name:
            (tmp_path / name).write_text(content)
        if language == "console":
            for command, wanted in re.findall(r"^\$ (.*)\n((?:[^$].*\n)*)", content, re.MULTILINE):
                assert output_of(command) == wanted
                commands += 1
    assert commands == 4


def test_it_names_every_form_unit_and_setting() -> None:
    """And none that there is not."""
    assert tuple(re.findall(r"^\| (\w+) \| `?\.", PAGE, re.MULTILINE)) == FORMS
    units = re.search(r"^\| `unit` \|(.*)$", PAGE, re.MULTILINE)
    assert units
    attributes = ("speed_mps", "altitude_m", "latitude_deg", "amount")
    known = [unit for attribute in attributes for unit in units_of(attribute)]
    assert re.findall(r"`([^`]+)`", units.group(1)) == [*known, *EPOCHS]
    shown = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE))))
    assert shown >= {*Source.__struct_fields__, *CsvForm.__struct_fields__}
