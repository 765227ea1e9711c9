"""When a circuit breaker lets a call through."""

from sinks.breaker import Breaker, State


class Clock:
    """A clock that stands still until it is moved."""

    now_s = 1000.0

    def __call__(self) -> float:
        """Now."""
        return self.now_s


def breaker() -> tuple[Breaker, Clock]:
    """Opens after three failures, for ten seconds."""
    clock = Clock()
    return Breaker(failures=3, open_s=10.0, clock_s=clock), clock


def test_it_stays_closed_while_failures_are_not_in_a_row() -> None:
    """A success in between starts the count again."""
    each, _ = breaker()
    for _ in range(5):
        each.fail()
        each.fail()
        each.succeed()
    assert (each.state, each.wait_s) == (State.CLOSED, 0)


def test_it_opens_then_lets_one_call_try() -> None:
    """Half open when its time is over."""
    each, clock = breaker()
    for _ in range(3):
        each.fail()
    assert (each.state, each.wait_s) == (State.OPEN, 10)
    clock.now_s += 9
    assert (each.state, each.wait_s) == (State.OPEN, 1)
    clock.now_s += 1
    assert (each.state, each.wait_s) == (State.HALF_OPEN, 0)


def test_the_call_that_tries_decides() -> None:
    """One failure opens it again, one success closes it."""
    each, clock = breaker()
    for _ in range(3):
        each.fail()
    clock.now_s += 10
    each.fail()
    assert each.wait_s == 10
    clock.now_s += 10
    each.succeed()
    each.fail()
    assert each.state is State.CLOSED
