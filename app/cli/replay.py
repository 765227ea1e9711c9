"""`python -m app replay`: what do the rules say of these records?"""

import os
import sys
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Annotated

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TimeElapsedColumn

from app.settings import PREFIX, Settings
from streaming.errors import ConfigError

_STDOUT = Path("-")


def replay(
    input_path: Annotated[Path, typer.Option("--input", help="Event file; .gz too.")],
    output_path: Annotated[
        Path,
        typer.Option(
            "--output", help="Gets a JSON object for each decision, in order; - is standard output."
        ),
    ] = _STDOUT,
    profile: Annotated[str | None, typer.Option(help="Rule to judge by. Default: the setting.")] = None,
    dead_letters_path: Annotated[
        Path | None,
        typer.Option(
            "--dead-letters", help="Gets a JSON object for each refused record. Default: they are counted."
        ),
    ] = None,
) -> None:
    """Judge the records of a file by the detector's rules, without a broker."""
    from app.decoders import input_decoders
    from app.record_view import dead_letter_view, one_line
    from app.replay import replay as results_of
    from app.rules import detector_of
    from app.topics import topics_of
    from models.dead_letter import DeadLetter
    from sources.event_file import read_events

    settings = Settings.from_env(os.environ | ({f"{PREFIX}PROFILE": profile} if profile else {}))
    decoders, detector = input_decoders(topics_of(settings)), detector_of(settings)
    counts: Counter[str] = Counter()
    with _progress() as bar, _writable(output_path) as output, _writable(dead_letters_path) as letters:
        events = bar.track(read_events(input_path), total=None)
        for result in results_of(events, decoders, detector, settings.max_clock_skew_s):
            if isinstance(result, DeadLetter):
                counts["dead letters"] += 1
                letters.write(one_line(dead_letter_view(result)) + b"\n")
            else:
                if result.decision.stage == "final":
                    counts[result.decision.verdict] += 1
                output.write(result.decision_json + b"\n")
    told = ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items()))
    Console(stderr=True, highlight=False).print(told or "no decision: the file holds no transaction")


def _progress() -> Progress:
    console = Console(stderr=True)
    return Progress(
        SpinnerColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _writable(path: Path | None) -> AbstractContextManager[IO[bytes]]:
    """The file to write; None: what is written is dropped."""
    if path == _STDOUT:
        return nullcontext(sys.stdout.buffer)
    try:
        return (path or Path(os.devnull)).open("wb")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}") from None
