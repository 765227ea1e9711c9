"""What tokens and masks cost a transaction, on one core, beside one bare HMAC of each number."""

import hmac
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate

from bench.contest import Contestant, Options, take_turns
from bench.report import Section, ratio, spread
from models.flagged_transaction import last_four
from privacy.tokens import TokenKey, TokenKeys

_KEY = TokenKey("k1", bytes(range(32)))
_TWO_PERIODS = TokenKeys([_KEY, TokenKey("k2", bytes(range(32, 64)), 500_000)])
_FLOOR = "hmac.digest of card, user and transaction id"
_SKEW = 1.1  # Zipf's exponent: few cards are used a lot, most of them seldom

Use = tuple[str, str, str, int]  # card, user, transaction id, when (ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One pass over the transactions, in this process; a period is half of them."""

    transactions: int
    elapsed_s: float
    cpu_s: float

    @property
    def per_s(self) -> float:
        """By the clock on the wall."""
        return self.transactions / self.elapsed_s

    @property
    def cpu_us(self) -> float:
        """User and system, of one thread, for each transaction."""
        return self.cpu_s / self.transactions * 1e6

    def __str__(self) -> str:
        return f"{self.per_s:,.0f} transactions/s, {self.cpu_us:.2f} µs CPU each"


def measure(options: Options) -> Section:
    """Run the benchmark."""
    uses = {"skewed": _uses(options.events, _skewed), "fresh": _uses(options.events, _fresh)}
    contestants = [
        Contestant(name=f"{name}, {kind} cards", run=partial(_timed, run, uses[kind]))
        for kind in uses
        for name, run in ((_FLOOR, _floor), ("tokens and mask", _tokens))
    ]
    outcomes = take_turns(contestants, options)
    return Section(
        name="tokens",
        command=f"python -m bench tokens --events {options.events} --runs {options.runs}",
        head=("", "transactions/s", "CPU µs/transaction", "times the floor"),
        rows=[_row(name, runs, outcomes) for name, runs in outcomes.items()],
        remarks=[
            "A transaction's card, user and row token, the period of its key, and the last four digits; one"
            " core. Twice as many cards as transactions: "
            + "; ".join(
                f"{kind}: {len({card for card, *_ in each}):,} different ones in {len(each):,}"
                for kind, each in uses.items()
            )
            + ". The caches are empty at the start of each run; every row token is new."
        ],
    )


def _uses(count: int, draw: Callable[[random.Random, int], Sequence[int]]) -> list[Use]:
    chance = random.Random(1)
    customers = [(f"{chance.randrange(10**15, 10**16)}", f"U{number:07}") for number in range(2 * count)]
    return [
        (*customers[drawn], f"{chance.getrandbits(128):032x}", number * 1_000_000 // count)
        for number, drawn in enumerate(draw(chance, count))
    ]


def _skewed(chance: random.Random, count: int) -> Sequence[int]:
    weights = [*accumulate(1 / rank**_SKEW for rank in range(10, 2 * count + 10))]
    return chance.choices(range(2 * count), cum_weights=weights, k=count)


def _fresh(chance: random.Random, count: int) -> Sequence[int]:
    return chance.sample(range(2 * count), count)


def _floor(uses: Sequence[Use]) -> None:
    key, digest = _KEY.secret, hmac.digest
    for card, user, transaction_id, _ in uses:
        digest(key, card.encode(), "sha256")
        digest(key, user.encode(), "sha256")
        digest(key, transaction_id.encode(), "sha256")


def _tokens(uses: Sequence[Use]) -> None:
    tokenizer = _TWO_PERIODS.tokenizer
    card_token, user_token, row_token = tokenizer("card"), tokenizer("user"), tokenizer("row")
    for card, user, transaction_id, at_ms in uses:
        card_token(card, at_ms)
        user_token(user, at_ms)
        row_token(transaction_id, at_ms)
        last_four(card)


def _timed(run: Callable[[Sequence[Use]], None], uses: Sequence[Use]) -> Run:
    start_s, start_cpu_s = time.monotonic(), time.process_time()
    run(uses)
    elapsed_s, cpu_s = time.monotonic() - start_s, time.process_time() - start_cpu_s
    return Run(transactions=len(uses), elapsed_s=elapsed_s, cpu_s=cpu_s)


def _row(name: str, runs: Sequence[Run], outcomes: Mapping[str, Sequence[Run]]) -> list[str]:
    floor = outcomes.get(f"{_FLOOR}, {name.rpartition(', ')[2]}")
    return [
        name,
        spread([run.per_s for run in runs]),
        spread([run.cpu_us for run in runs], "{:.2f}"),
        ratio([run.cpu_us for run in runs], [run.cpu_us for run in floor]) if floor else "",
    ]
