"""A log stays readable while a broker is away, and says how much it left out."""

import logging

from streaming.log_rate import RateLimit, limit_log_rate


class Log:
    """A logger with a clock of its own that remembers its lines."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.lines: list[str] = []
        self._limit = RateLimit(clock_s=lambda: self.now_s)

    def write(self, template: str, *args: object) -> bool:
        """Log a line; return whether it was written."""
        line = logging.LogRecord("aiokafka", logging.ERROR, __file__, 1, template, args, None)
        if not self._limit.filter(line):
            return False
        self.lines.append(line.getMessage())
        return True


def test_a_few_lines_of_a_kind_pass_in_a_period() -> None:
    """A client of Kafka writes some 22,000 lines in a few seconds while a broker is gone."""
    log = Log()
    assert sum(log.write("cannot connect to %s", n) for n in range(22_000)) == 5
    assert log.lines == [f"cannot connect to {n}" for n in range(5)]


def test_the_next_period_says_how_many_were_left_out() -> None:
    """A number tells a blip from a storm."""
    log = Log()
    for n in range(105):
        log.write("cannot connect to %s", n)
    log.now_s = 10.0
    assert log.write("cannot connect to %s", "b")
    assert log.lines[-1] == "cannot connect to b (and 100 more like it before)"
    assert sum(log.write("cannot connect to %s", n) for n in range(100)) == 4


def test_nothing_is_said_where_nothing_was_left_out() -> None:
    """Five lines are five lines."""
    log = Log()
    for n in range(5):
        log.write("slow %d", n)
    log.now_s = 60.0
    log.write("slow %d", 5)
    assert log.lines[-1] == "slow 5"


def test_kinds_do_not_limit_each_other() -> None:
    """The one line that matters must not drown."""
    log = Log()
    for n in range(1000):
        log.write("cannot connect to %s", n)
    assert log.write("authentication failed")


def test_a_period_begins_with_its_first_line() -> None:
    """Not with the program: 9.9 seconds after that line it is still the same."""
    log = Log()
    log.now_s = 7.0
    for _ in range(10):
        log.write("again")
    log.now_s = 16.9
    assert not log.write("again")
    log.now_s = 17.0
    assert log.write("again")


def test_only_loggers_under_the_prefix_are_limited() -> None:
    """A name that only begins alike is somebody else's."""
    names = ("limitedpkg", "limitedpkg.conn", "limitedpkgother", "other.limitedpkg")
    loggers = [logging.getLogger(name) for name in names]
    limit_log_rate("limitedpkg")
    assert [bool(logger.filters) for logger in loggers] == [True, True, False, False]


def test_what_is_limited_logs_no_debug_lines() -> None:
    """Aiokafka's `Sending (key=… value=…)` would put card numbers into the log."""
    limit_log_rate("chattypkg")
    level = logging.root.level
    logging.root.setLevel(logging.DEBUG)
    try:
        assert not logging.getLogger("chattypkg.producer").isEnabledFor(logging.DEBUG)
        assert logging.getLogger("chattypkg.producer").isEnabledFor(logging.INFO)
    finally:
        logging.root.setLevel(level)
