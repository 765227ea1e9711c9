"""`python -m app anonymize`: the rows of a file that analysts may see."""

import csv
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from app.cli.output_file import STDOUT, writable
from app.cli.progress_bar import record_bar
from app.settings import PREFIX, Settings
from streaming.errors import ConfigError

if TYPE_CHECKING:
    from privacy.anonymity.anonymizer import Target
    from privacy.anonymity.tally import Tally


def anonymize(
    input_path: Annotated[Path, typer.Option("--input", help="Event file; .gz too.")],
    output_path: Annotated[
        Path,
        typer.Option("--output", help="Gets a JSON object for each published row; - is standard output."),
    ],
    k: Annotated[
        int | None, typer.Option("--k", min=2, help="Different people of a group. Default: the setting.")
    ] = None,
    l: Annotated[  # noqa: E741
        int | None, typer.Option("--l", min=1, help="Different merchants of a group. Default: the setting.")
    ] = None,
    delta: Annotated[
        int | None, typer.Option(min=1, help="Rows that a row may wait for. Default: the setting.")
    ] = None,
    people_path: Annotated[
        Path | None,
        typer.Option(
            "--people",
            help="CSV file to write: whose row each is (a keyed token), for `privacy audit`. Restricted: who"
            " has it undoes the anonymity.",
        ),
    ] = None,
) -> None:
    """Judge the records of a file as `replay` does, and publish the final verdicts k-anonymous and l-diverse.

    The code is the publisher's. Rows wait for others by their number only, not by time.
    Prints what was achieved.
    """
    from random import SystemRandom

    import msgspec

    from app.anonymity.offline import judged_rows, outcomes_of, with_token_key
    from app.anonymity.reading import hierarchies_of, target_of
    from app.token_keys import token_keys_of
    from models.dead_letter import DeadLetter
    from privacy.anonymity.anonymizer import Anonymizer, Released
    from privacy.anonymity.tally import Tally
    from sources.event_file import read_events
    from streaming.garbage import collect_less_often

    settings = Settings.from_env(os.environ)
    if people_path == STDOUT:
        raise ConfigError("--people -: name a file; it is for restricted eyes")
    target = target_of(settings, k=k, l=l, delta=delta)
    anonymizer = Anonymizer(hierarchies_of(settings), target, SystemRandom())
    console, tally, dead_letters = Console(stderr=True, highlight=False), Tally(), 0
    if not settings.token_key_file:
        console.print(
            "warning: row tokens are made with a key that is thrown away: nobody gets from a row back to its"
            f" transaction. {PREFIX}TOKEN_KEY_FILE names one that stays.",
            style="yellow",
        )
    encoder = msgspec.json.Encoder()
    collect_less_often()

    def count(_letter: DeadLetter) -> None:
        nonlocal dead_letters
        dead_letters += 1

    if people_path is not None:
        _keep_from_others(people_path)
    with (
        with_token_key(settings) as keyed,
        record_bar() as bar,
        writable(output_path) as output,
        writable(people_path) as people,
    ):
        people.write(_csv_line("row_token", "person"))
        row_token_of = token_keys_of(keyed).tokenizer("row")
        rows = judged_rows(bar.track(read_events(input_path), total=None), keyed, count)
        for outcome in outcomes_of(rows, anonymizer):
            tally.take([outcome])
            if isinstance(outcome, Released):
                published = outcome.rows(row_token_of)
                output.write(encoder.encode_lines([row for _, row in published]))
                for member, row in published:
                    people.write(_csv_line(row.row_token, member.person or ""))
    console.print(told(tally, target, dead_letters))


def told(tally: "Tally", target: "Target", dead_letters: int) -> str:
    """The closing lines: what was published, and how it meets its target."""
    suppressed = "".join(f", {count:,} {reason}" for reason, count in sorted(tally.suppressed.items()))
    lines = [
        f"{tally.published:,} rows published, {tally.groups:,} groups, {tally.joined:,} rows joined one",
        f"{tally.suppressed.total():,} suppressed ({tally.suppressed_share:.2%}){suppressed}",
    ]
    if tally.least_people is not None:
        lines.append(
            f"smallest group: k = {tally.least_people} people (wanted {target.k}),"
            f" l = {tally.least_merchants} merchants (wanted {target.l})"
        )
        lines.append(f"information loss: {tally.mean_loss:.4f} (GLM: 0 nothing, 1 all)")
    if dead_letters:
        lines.append(f"{dead_letters:,} dead letters")
    return "\n".join(lines)


def _keep_from_others(path: Path) -> None:
    try:
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None


def _csv_line(*cells: str) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue().encode()
