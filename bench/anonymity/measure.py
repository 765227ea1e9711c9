"""What anonymity costs: information, beside batch anonymizers and CASTLE, and CPU."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from random import Random

import msgspec

from app.anonymity.offline import outcomes_of
from app.anonymity.reading import hierarchies_of
from app.settings import Settings
from bench.anonymity.castle import Castle
from bench.anonymity.data import simulated, skewed
from bench.anonymity.fixed import least_fixed_loss
from bench.anonymity.mondrian import Mondrian
from bench.anonymity.table import table_of
from bench.contest import Contestant, Options, take_turns
from bench.report import Section, spread
from privacy.anonymity.anonymizer import Anonymizer, Released, Target
from privacy.anonymity.generaliser import Generaliser
from privacy.anonymity.hierarchies import Hierarchies
from privacy.anonymity.row import Row
from privacy.anonymity.tally import Tally
from privacy.tokens import TokenKey, TokenKeys, tokenizer

_TARGET = Target(k=10, l=2, delta=1000)
_BETA = 100
_MOST_ROWS = 20_000
_OURS = "ours, streaming"
_MONDRIAN = "Mondrian, each window at once"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One pass over the rows. `cpu_us_per_row` is None where nobody asks for it."""

    loss: float
    suppressed_share: float
    cpu_us_per_row: float

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4f}, {self.suppressed_share:.2%} suppressed, {self.cpu_us_per_row:.0f} µs/row"
        )


def measure(options: Options) -> Section:
    """Run the benchmark."""
    hierarchies = hierarchies_of(Settings())
    count = min(options.events, _MOST_ROWS) // _TARGET.delta * _TARGET.delta
    print("simulating", flush=True)
    busy = simulated(count, customers=2_000, transactions_per_s=50.0)
    quiet = simulated(count, customers=500, transactions_per_s=5.0)
    data = {
        "2,000 people, 50/s": busy,
        "500 people, 5/s": quiet,
        "2,000 people, 50/s, skewed": skewed(busy, 2_000),
        "500 people, 5/s, skewed": skewed(quiet, 500),
    }
    rows, remarks = [], []
    for name, given in data.items():
        outcomes = take_turns(_contestants(name, given, hierarchies), options)
        shown = {who.partition(": ")[2]: runs for who, runs in outcomes.items()}
        base = shown.get(_MONDRIAN)
        for who, runs in shown.items():
            times = f"{runs[0].loss / base[0].loss:.2f}" if base else ""
            cpu_us = spread([run.cpu_us_per_row for run in runs])
            rows.append([name, who, f"{runs[0].loss:.4f}", times, f"{runs[0].suppressed_share:.2%}", cpu_us])
        remarks.append(f"{name}: {_most_rows_of_one(given):.1%} of the rows are of one person.")
    return Section(
        name="anonymity",
        command=f"python -m bench anonymity --events {options.events} --runs {options.runs}",
        head=("rows", "anonymizer", "loss (GLM)", "times Mondrian's", "suppressed", "CPU µs/row"),
        rows=rows,
        remarks=remarks,
    )


def _contestants(name: str, rows: list[Row], hierarchies: Hierarchies) -> list[Contestant[Outcome]]:
    generaliser = Generaliser(hierarchies)
    table = table_of(rows, generaliser)
    k, merchants = _TARGET.k, _TARGET.l

    def timed(losses_of: "partial[tuple[float, float]]") -> Outcome:
        began_s = time.process_time()
        loss, suppressed_share = losses_of()
        cpu_s = time.process_time() - began_s
        return Outcome(loss=loss, suppressed_share=suppressed_share, cpu_us_per_row=cpu_s / len(rows) * 1e6)

    def mondrian(*, is_greedy: bool) -> tuple[float, float]:
        losses = Mondrian(generaliser, k, merchants, is_greedy=is_greedy).losses(table, _TARGET.delta)
        return float(losses.mean()), 0.0

    def castle() -> tuple[float, float]:
        made = Castle(generaliser, k, merchants, delta=_TARGET.delta, beta=_BETA, mu=_TARGET.mu)
        losses = made.losses(table)
        return float(losses.mean()), float((losses == 1.0).mean())

    contestants = {
        _MONDRIAN: partial(timed, partial(mondrian, is_greedy=False)),
        "Mondrian that tries every cut": partial(timed, partial(mondrian, is_greedy=True)),
        _OURS: partial(timed, partial(_ours, rows, hierarchies)),
        "ours, with tokens and JSON": partial(timed, partial(_ours, rows, hierarchies, is_whole=True)),
        "CASTLE, streaming": partial(timed, partial(castle)),
        "one generalisation for all": partial(
            timed, partial(least_fixed_loss, table, hierarchies, k, merchants)
        ),
    }
    return [Contestant(name=f"{name}: {who}", run=run) for who, run in contestants.items()]


def _ours(rows: Sequence[Row], hierarchies: Hierarchies, *, is_whole: bool = False) -> tuple[float, float]:
    """Loss, suppressed rows counted as lost, and their share; `is_whole`: with all that a publisher does."""
    key = TokenKey(key_id="bench", secret=b"0" * 32)
    row_token_of, user_token = TokenKeys([key]).tokenizer("row"), tokenizer(key, "user")
    encoder, tally = msgspec.json.Encoder(), Tally()
    given = (
        msgspec.structs.replace(row, person=row.person and user_token(row.person)) if is_whole else row
        for row in rows
    )
    for outcome in outcomes_of(given, Anonymizer(hierarchies, _TARGET, Random(1))):
        tally.take([outcome])
        if is_whole and isinstance(outcome, Released):
            encoder.encode_lines([row for _, row in outcome.rows(row_token_of)])
    share = tally.suppressed_share
    return tally.mean_loss * (1 - share) + share, share


def _most_rows_of_one(rows: Sequence[Row]) -> float:
    people = [row.person for row in rows]
    return max(map(people.count, set(people))) / len(people)
