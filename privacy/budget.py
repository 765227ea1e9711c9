"""What may be asked of the data in a day: every answer costs ε, and costs add up (sequential composition).

Who was asked about in all of a day's answers together is hidden by the sum of their ε (Dwork and Roth 2014,
theorem 3.14). It renews at midnight, UTC: over D days a person who is in the data of all of them is
hidden by D times as much, no less.
"""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from math import ceil, floor

import msgspec

from models.times import utc_datetime
from privacy.noisy import Answer

_DAY_MS = 24 * 60 * 60 * 1000
_MOST_ANSWERS = 1000  # in a row of a table


class SpentDay(msgspec.Struct, frozen=True):
    """A day's budget: what is spent, and what was answered. Whole millionths of ε: their sums are exact."""

    day: int
    """Days since the epoch, UTC."""
    spent_microepsilon: int = 0
    answers: dict[str, Answer] = {}


class Refused(msgspec.Struct, frozen=True):
    """No answer: the day's budget does not hold it. It costs nothing, and tells nothing of the data."""

    epsilon_asked: float
    epsilon_left: float
    renews: datetime

    def __str__(self) -> str:
        """What to tell who asked."""
        return (
            f"today's privacy budget has ε {self.epsilon_left:g} left, and this costs {self.epsilon_asked:g}:"
            f" ask again after {self.renews:%Y-%m-%d %H:%M} UTC"
        )


def ask(
    spent: SpentDay | None,
    question: str,
    epsilon: float,
    answer: Callable[[], Answer],
    *,
    epsilon_per_day: float,
    now_ms: int,
) -> tuple[SpentDay, Answer | Refused]:
    """Answer a question, if the day's budget holds it. A question that was asked today costs nothing.

    It gets its answer again to the last digit: noise that is drawn anew could be averaged away. So `question`
    says all that the answer depends on: what is counted, of which time that is over, with which bounds.
    The state that is returned must be stored before the answer is shown. A clock that goes back renews
    nothing. Raises ValueError for an ε that is none.
    """
    cost = _microepsilon(epsilon)
    day = now_ms // _DAY_MS
    state = spent if spent is not None and spent.day >= day else SpentDay(day)
    if (known := state.answers.get(question)) is not None:
        return state, known
    left = floor(_millionths(epsilon_per_day)) - state.spent_microepsilon
    if cost > left or len(state.answers) >= _MOST_ANSWERS:
        return state, Refused(
            epsilon, max(left, 0) / 1e6, utc_datetime((state.day + 1) * _DAY_MS * 1_000_000)
        )
    given = answer()
    if given.epsilon > epsilon:
        raise ValueError(f"the answer costs ε {given.epsilon:g}, and {epsilon:g} was asked for")
    answers = {**state.answers, question: given}
    return SpentDay(state.day, state.spent_microepsilon + cost, answers), given


def _microepsilon(epsilon: float) -> int:
    """Millionths of ε, rounded up: who asks often for little is not served for nothing."""
    if not 0 < epsilon < 1e3:
        raise ValueError(f"epsilon is {epsilon}; wanted more than 0, and about 1")
    return ceil(_millionths(epsilon))


def _millionths(epsilon: float) -> Decimal:
    return Decimal(str(epsilon)) * 1_000_000  # as it is written: 0.29 is 290,000 of them
