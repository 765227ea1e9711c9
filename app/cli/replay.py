"""`python -m app replay`: what do the rules say of these records?"""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.output_file import STDOUT, writable
from app.cli.progress_bar import record_bar
from app.scoring import Verdicts
from app.settings import Settings
from models.decision import Decision
from sources.labels import Label, read_labels
from streaming.errors import ConfigError


def replay(
    input_path: Annotated[Path, typer.Option("--input", help="Event file; .gz too.")],
    output_path: Annotated[
        Path | None,
        typer.Option(
            "--output",
            help="Gets a JSON object for each decision, in order; - is standard output, and the default where"
            " no table is printed.",
        ),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(help="Profile to judge by; twice: compare the two. Default: the setting."),
    ] = None,
    labels_path: Annotated[
        Path | None,
        typer.Option("--labels", help="CSV file with the truth: prints what the verdicts are worth."),
    ] = None,
    dead_letters_path: Annotated[
        Path | None,
        typer.Option(
            "--dead-letters", help="Gets a JSON object for each refused record. Default: they are counted."
        ),
    ] = None,
) -> None:
    """Judge the records of a file by the detector's rules, without a broker.

    With --labels, prints precision, recall and a table of categories; with two profiles, of both, and which
    transactions change sides from the first to the second.
    """
    from app.cli.replay_report import report
    from app.decoders import input_decoders
    from app.profiles import profile_of
    from app.record_view import dead_letter_view, one_line
    from app.replay import replay_beside
    from app.rules import detector_of, rule_of
    from app.topics import topics_of
    from models.dead_letter import DeadLetter
    from sources.event_file import read_events
    from streaming.garbage import collect_less_often

    settings = Settings.from_env(os.environ)
    names = profile or [settings.profile]
    reports = labels_path is not None or len(names) > 1
    _check(names, output_path, reports=reports)
    profiles = [profile_of(settings, name) for name in names]
    labels = _labels(labels_path)
    detector = detector_of(settings, profiles[0])
    detectors = [changed(detector, rule=rule_of(each)) for each in profiles]
    decoders, tallies, dead_letters = input_decoders(topics_of(settings)), [_Tally() for _ in names], 0
    collect_less_often()
    decisions_path = output_path or (None if reports else STDOUT)
    with record_bar() as bar, writable(decisions_path) as output, writable(dead_letters_path) as letters:
        events = bar.track(read_events(input_path), total=None)
        for result in replay_beside(events, decoders, detectors, settings.max_clock_skew_s):
            if isinstance(result, DeadLetter):
                dead_letters += 1
                letters.write(one_line(dead_letter_view(result)) + b"\n")
                continue
            number, outcome = result
            tallies[number].take(outcome.decision, keep=reports)
            output.write(outcome.decision_json + b"\n")
    console = Console(stderr=True, highlight=False)
    for name, tally in zip(names, tallies, strict=True):
        console.print(_told(name if len(names) > 1 else "", tally, dead_letters))
    if reports:
        verdicts = {name: tally.verdicts for name, tally in zip(names, tallies, strict=True)}
        typer.echo(report(verdicts, labels))


@dataclass(frozen=True, slots=True)
class _Tally:
    """What one profile decided: final verdicts by their number, and, where they are kept, all of them."""

    counts: Counter[str] = field(default_factory=Counter)
    verdicts: Verdicts = field(default_factory=Verdicts)

    def take(self, decision: Decision, *, keep: bool) -> None:
        """Count a decision."""
        if decision.stage == "final":
            self.counts[decision.verdict] += 1
        if keep:
            self.verdicts.take(decision)


def _check(names: Sequence[str], output_path: Path | None, *, reports: bool) -> None:
    """Refuse what cannot be done together. Raises ConfigError."""
    if len(names) > 2 or len(set(names)) < len(names):
        raise ConfigError(f"--profile {' --profile '.join(names)}: name one profile, or two to compare them")
    if len(names) == 2 and output_path is not None:
        raise ConfigError("--output takes the decisions of one profile: leave it or one --profile out")
    if reports and output_path == STDOUT:
        raise ConfigError("--output -: the table is printed there; name a file for the decisions")


def _labels(path: Path | None) -> dict[str, Label]:
    """The labels by their transactions. Raises ConfigError where the file holds none."""
    labels = {label.transaction_id: label for label in read_labels(path)} if path else {}
    if path and not labels:
        raise ConfigError(f"{path}: holds no label")
    return labels


def _told(name: str, tally: _Tally, dead_letters: int) -> str:
    found = sorted((tally.counts | Counter({"dead letters": dead_letters})).items())
    told = ", ".join(f"{count:,} {what}" for what, count in found if count)
    return (f"{name}: " if name else "") + (told or "no decision: the file holds no transaction")
