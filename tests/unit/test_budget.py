"""An ε budget: what is spent adds up, what was asked costs nothing, what is too much is refused."""

from datetime import UTC, datetime
from functools import partial

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from privacy.budget import Refused, SpentDay, ask
from privacy.noisy import Answer, NoisyNumber

DAY_MS = 86_400_000
NOON_MS = 20_000 * DAY_MS + DAY_MS // 2

questions = st.tuples(st.sampled_from("abcdef"), st.integers(1, 700_000), st.integers(0, 3 * DAY_MS))


def answering(value: float, epsilon: float) -> Answer:
    """An answer that can be told from others."""
    return Answer({"count": NoisyNumber(value, value, value)}, epsilon)


@given(st.lists(questions, max_size=30))
def test_no_day_gives_more_than_its_budget(asked: list[tuple[str, int, int]]) -> None:
    """Whatever is asked, in whatever order: in exact arithmetic, and answers that are given are all paid."""
    state: SpentDay | None = None
    paid: dict[int, int] = {}
    for number, (question, micro, later_ms) in enumerate(sorted(asked, key=lambda each: each[2])):
        cost, now_ms = micro / 1e6, NOON_MS + later_ms
        given = partial(answering, number, cost)
        state, said = ask(state, question, cost, given, epsilon_per_day=1.0, now_ms=now_ms)
        assert state.day == now_ms // DAY_MS
        if isinstance(said, Answer) and said.numbers["count"].value == number:
            paid[state.day] = paid.get(state.day, 0) + micro
        if isinstance(said, Refused):
            assert micro > 1_000_000 - paid.get(state.day, 0)
            assert said.renews.timestamp() * 1000 == (state.day + 1) * DAY_MS
        assert state.spent_microepsilon == paid.get(state.day, 0) <= 1_000_000


def test_a_question_that_is_repeated_gets_its_answer_to_the_last_digit_for_nothing() -> None:
    """Also when the budget is spent, and after the state has been in a table."""
    state, first = ask(None, "a", 0.75, lambda: answering(1.5, 0.75), epsilon_per_day=1.0, now_ms=NOON_MS)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(state), type=SpentDay)
    again, second = ask(state, "a", 0.75, pytest.fail, epsilon_per_day=1.0, now_ms=NOON_MS + 1)
    assert (again, second) == (state, first)


def test_what_is_refused_says_what_is_left_and_when_more_comes() -> None:
    """A page shows this; nothing is computed."""
    state, _ = ask(None, "a", 0.75, lambda: answering(1, 0.75), epsilon_per_day=1.0, now_ms=NOON_MS)
    after, refused = ask(state, "b", 0.5, pytest.fail, epsilon_per_day=1.0, now_ms=NOON_MS)
    assert after == state
    assert refused == Refused(0.5, 0.25, datetime(2024, 10, 5, tzinfo=UTC))
    assert str(refused) == (
        "today's privacy budget has ε 0.25 left, and this costs 0.5: ask again after 2024-10-05 00:00 UTC"
    )


def test_midnight_renews_and_a_clock_that_goes_back_does_not() -> None:
    """Or turning it back and forth would be a budget without end."""
    state, _ = ask(None, "a", 1.0, lambda: answering(1, 1.0), epsilon_per_day=1.0, now_ms=NOON_MS)
    _, back = ask(state, "b", 0.1, pytest.fail, epsilon_per_day=1.0, now_ms=NOON_MS - DAY_MS)
    assert isinstance(back, Refused)
    state, anew = ask(
        state, "a", 1.0, lambda: answering(2, 1.0), epsilon_per_day=1.0, now_ms=NOON_MS + DAY_MS
    )
    assert anew == answering(2, 1.0)
    assert len(state.answers) == 1


def test_a_smaller_budget_than_was_spent_refuses() -> None:
    """Somebody has turned it down at noon."""
    state, _ = ask(None, "a", 1.0, lambda: answering(1, 1.0), epsilon_per_day=1.0, now_ms=NOON_MS)
    _, said = ask(state, "b", 0.1, pytest.fail, epsilon_per_day=0.5, now_ms=NOON_MS)
    assert isinstance(said, Refused)
    assert said.epsilon_left == 0


def test_a_day_remembers_a_thousand_answers_at_most() -> None:
    """The row of a table has an end, however little each costs."""
    state = None
    for number in range(1000):
        state, _ = ask(
            state, str(number), 1e-9, lambda: answering(1, 1e-9), epsilon_per_day=1.0, now_ms=NOON_MS
        )
    _, said = ask(state, "another", 1e-9, pytest.fail, epsilon_per_day=1.0, now_ms=NOON_MS)
    assert isinstance(said, Refused)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, float("nan"), float("inf")])
def test_an_epsilon_that_is_none_is_an_error(epsilon: float) -> None:
    """It is written by a programmer, not asked by a user."""
    with pytest.raises(ValueError, match="epsilon is"):
        ask(None, "a", epsilon, pytest.fail, epsilon_per_day=1.0, now_ms=NOON_MS)


def test_an_answer_that_costs_more_than_was_asked_is_an_error() -> None:
    """The books would not balance."""
    with pytest.raises(ValueError, match=r"costs ε 0\.5"):
        ask(None, "a", 0.4, lambda: answering(1, 0.5), epsilon_per_day=1.0, now_ms=NOON_MS)
