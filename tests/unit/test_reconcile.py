"""The books balance when everything is accounted for, and not when anything was tampered with."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.books.accounting import SHOWN_PROBLEMS, Books, InputRange, Outputs, Report, Tally
from models.location_fix import LocationFix
from models.transaction import Transaction
from streaming.errors import RecordError

Message = Transaction | LocationFix | RecordError

LOCATIONS, COPIES, TRANSACTIONS = "location_data", "copies", "transaction_data"
BAD = RecordError("malformed", "not JSON")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def transaction(transaction_id: str) -> Transaction:
    """A transaction of which only the id matters."""
    return Transaction(
        transaction_id=transaction_id, device_id="d", event_time=NOON, amount=1.0, latitude=0.0, longitude=0.0
    )


def location(device_id: str) -> LocationFix:
    """A location of which only the device matters."""
    return LocationFix(device_id=device_id, event_time=NOON, latitude_deg=0.0, longitude_deg=0.0)


@dataclass
class World:
    """What the topics hold: one partition an input, read to the end unless a test says otherwise."""

    inputs: dict[str, list[Message]] = field(default_factory=dict)
    begins: dict[str, int] = field(default_factory=dict)
    committed: dict[str, int | None] = field(default_factory=dict)
    outputs: Outputs = field(default_factory=Outputs)

    def close(self) -> Report:
        """Enter everything and close the books."""
        ranges = {}
        for topic in (LOCATIONS, COPIES, TRANSACTIONS):
            begin = self.begins.get(topic, 0)
            end = begin + len(self.inputs.get(topic, []))
            ranges[topic, 0] = InputRange(
                begin_offset=begin, end_offset=end, committed_offset=self.committed.get(topic, end)
            )
        books = Books(self.outputs, ranges, group_id="bank-detector", transaction_topic=TRANSACTIONS)
        for topic in (LOCATIONS, COPIES, TRANSACTIONS):
            for offset, message in enumerate(self.inputs.get(topic, []), self.begins.get(topic, 0)):
                books.enter((topic, 0, offset), message)
        return books.close()


def sound() -> World:
    """One of everything that can follow from a record, all in order."""
    world = World(
        inputs={
            LOCATIONS: [location("d"), BAD, location("moved")],
            COPIES: [location("moved")],
            TRANSACTIONS: [transaction(i) for i in ("flag", "clear", "nowhere", "flag")],
        }
    )
    outputs = world.outputs
    outputs.located |= {b"d", b"moved"}
    outputs.dead_letters.add((LOCATIONS, 0, 1))
    outputs.forwarded.add((LOCATIONS, 0, 2))
    outputs.add_decision("flag", "flagged", revision=1, is_final=True)
    outputs.add_decision("clear", "cleared", revision=1, is_final=True)
    outputs.add_decision("nowhere", "no_location", revision=1, is_final=True)
    outputs.alerted.add("flag")
    return world


def test_one_of_everything_balances_and_is_counted_once() -> None:
    """The sum of the kinds is the number of records."""
    report = sound().close()
    assert report.balances(complete=True)
    assert report.tallies == {
        LOCATIONS: Tally(records=3, locations=1, dead_letters=1, re_keyed=1),
        COPIES: Tally(records=1, locations=1),
        TRANSACTIONS: Tally(records=4, flagged=1, cleared=1, no_location=1, repeats=1),
    }


def _drop(what: Callable[[Outputs], object]) -> Callable[[World], None]:
    return lambda world: (what(world.outputs), None)[1]


def _misdirect(outputs: Outputs) -> None:
    outputs.dead_letters = {(LOCATIONS, 0, 7)}


def _break_commit(topic: str, offset: int | None) -> Callable[[World], None]:
    return lambda world: world.committed.update({topic: offset})


# What was done to the sound world, and what the report must then say.
TAMPERING: dict[str, tuple[Callable[[World], None], str]] = {
    "a decision is gone, for both records of its transaction": (
        _drop(lambda o: o.verdicts.pop("clear")),
        f"{TRANSACTIONS}[0]:1: no decision on transaction clear",
    ),
    "a dead letter is gone": (
        _drop(lambda o: o.dead_letters.clear()),
        f"{LOCATIONS}[0]:1: no dead letter for a record that is bad (not JSON)",
    ),
    "a dead letter names its neighbour": (
        _drop(_misdirect),
        f"{LOCATIONS}[0]:1: no dead letter",
    ),
    "the state has lost a device": (
        _drop(lambda o: o.located.remove(b"d")),
        f"{LOCATIONS}[0]:0: no location of its device in the state",
    ),
    "the copy of a re-keyed record led to nothing": (
        _drop(lambda o: o.located.remove(b"moved")),
        f"{COPIES}[0]:0: no location of its device in the state",
    ),
    "a decision belongs to nothing": (
        _drop(lambda o: o.add_decision("ghost", "cleared", revision=1, is_final=True)),
        "decision on transaction ghost, which is in no input",
    ),
    "a flagged transaction has no alert": (
        _drop(lambda o: o.alerted.clear()),
        "no alert on transaction flag, which is flagged",
    ),
    "an alert on what was cleared": (
        _drop(lambda o: o.alerted.add("clear")),
        "alert on transaction clear, which was never flagged",
    ),
    "an alert that belongs to nothing": (
        _drop(lambda o: o.alerted.add("ghost")),
        "alert on transaction ghost, which is in no input",
    ),
    "an output that cannot be read": (
        _drop(lambda o: o.unreadable.append(("transaction_decisions", 3, 5))),
        "transaction_decisions[3]:5: cannot be read",
    ),
    "a partition was never committed": (
        _break_commit(TRANSACTIONS, None),
        f"group bank-detector has never committed an offset of {TRANSACTIONS}[0], which hold records",
    ),
    "a commit lies behind the end": (_break_commit(TRANSACTIONS, 9), f"{TRANSACTIONS}[0]:9, which ends at 4"),
}


@pytest.mark.parametrize("case", TAMPERING)
def test_tampering_is_found_and_named(case: str) -> None:
    """Each single wrong makes the books not balance, also without --complete."""
    tamper, said = TAMPERING[case]
    world = sound()
    tamper(world)
    report = world.close()
    assert not report.balances(complete=False)
    assert any(said in line for line in (*report.missing, *report.unexplained, *report.objections))


def test_input_that_nobody_read_does_not_balance() -> None:
    """Neither with no commit at all nor with the start offsets that a worker commits before it reads."""
    for committed in (None, 0):
        world = World(inputs={TRANSACTIONS: [transaction("t")]}, committed={TRANSACTIONS: committed})
        report = world.close()
        assert not report.balances(complete=False)
        assert len(report.objections) == 1


def test_empty_inputs_balance_and_say_so() -> None:
    """Nothing in, nothing out; no group has to have committed anything."""
    report = World(committed={LOCATIONS: None, COPIES: None, TRANSACTIONS: None}).close()
    assert report.balances(complete=True)
    assert report.notes == ("the input topics are empty: 0 = 0",)


def test_unread_records_balance_unless_completeness_is_asked_for() -> None:
    """A running worker is behind now and then; its output may be ahead of its commits."""
    world = sound()
    world.inputs[TRANSACTIONS].append(transaction("later"))
    world.committed[TRANSACTIONS] = 4
    world.outputs.add_decision("later", "flagged", revision=1, is_final=True)
    report = world.close()
    assert report.tallies[TRANSACTIONS].not_yet_read == 1
    assert report.balances(complete=False)
    assert not report.balances(complete=True)


def test_an_alert_may_be_ahead_of_its_decision_while_unread() -> None:
    """They lie in two topics and arrive in any order."""
    world = sound()
    world.inputs[TRANSACTIONS].append(transaction("later"))
    world.committed[TRANSACTIONS] = 4
    world.outputs.alerted.add("later")
    assert world.close().balances(complete=False)


def test_an_open_decision_is_counted_once_and_only_completeness_minds() -> None:
    """Its verdict is not in the books yet; a second record of it is a repeat."""
    world = sound()
    world.outputs.verdicts.pop("flag")
    world.outputs.add_decision("flag", "flagged", revision=1, is_final=False)
    report = world.close()
    assert report.tallies[TRANSACTIONS] == Tally(records=4, open=1, cleared=1, no_location=1, repeats=1)
    assert report.balances(complete=False)
    assert not report.balances(complete=True)


@pytest.mark.parametrize("order", [(1, 2), (2, 1), (2, 2, 1)])
def test_the_highest_revision_counts_in_whatever_order_it_was_repeated(order: tuple[int, ...]) -> None:
    """A crash repeats lower revisions behind higher ones."""
    outputs = Outputs()
    for revision in order:
        verdict = {1: "flagged", 2: "cleared"}[revision]
        outputs.add_decision("t", verdict, revision=revision, is_final=revision == 2)
    assert outputs.verdicts["t"] == (2, "cleared", True)
    assert outputs.ever_flagged == {"t"}


def test_a_retracted_flag_keeps_its_alert() -> None:
    """Flagged by revision 1, cleared by revision 2: the alert is explained by the first."""
    world = sound()
    world.outputs.add_decision("flag", "cleared", revision=2, is_final=True)
    assert world.close().balances(complete=True)


def test_what_retention_deleted_is_stated_and_not_missing() -> None:
    """Decisions on transactions that are gone are not orphans; what is there is still proven."""
    world = sound()
    world.begins[TRANSACTIONS] = 100
    world.outputs.add_decision("gone", "flagged", revision=1, is_final=True)
    report = world.close()
    assert report.balances(complete=True)
    assert report.total.expired == 100
    assert "100 input records were deleted by retention: expired, cannot be proven" in report.notes
    assert "1 decisions are on transactions that are no longer there" in report.notes
    world.outputs.verdicts.pop("clear")
    assert world.close().total.missing == 1


def test_what_retention_deleted_unread_is_stated() -> None:
    """It is lost, and nobody else will say so."""
    world = sound()
    world.begins[TRANSACTIONS] = 100
    world.committed[TRANSACTIONS] = 40
    report = world.close()
    assert report.objections == (
        f"60 records of {TRANSACTIONS}[0] were deleted before group bank-detector had read them",
    )
    assert not report.balances(complete=False)


def test_a_bad_record_with_the_id_of_a_decided_one_needs_its_own_dead_letter() -> None:
    """It must not pass for a repeat."""
    world = sound()
    world.inputs[TRANSACTIONS].append(BAD)
    assert world.close().missing == (
        f"{TRANSACTIONS}[0]:4: no dead letter for a record that is bad (not JSON)",
    )


def test_the_first_problems_are_shown_and_all_are_counted() -> None:
    """A report is read by a person."""
    world = sound()
    world.inputs[TRANSACTIONS] += [transaction(f"lost-{n}") for n in range(50)]
    report = world.close()
    assert report.total.missing == 50
    assert len(report.missing) == SHOWN_PROBLEMS


@given(st.data())
def test_every_record_is_counted_exactly_once(data: st.DataObject) -> None:
    """Whatever the world looks like, the kinds add up to the records."""
    world = sound()
    known: list[Message] = [transaction("flag"), transaction("lost"), location("d"), location("x"), BAD]
    messages = st.sampled_from(known)
    for topic in world.inputs:
        world.inputs[topic] += data.draw(st.lists(messages, max_size=5))
        world.committed[topic] = data.draw(st.none() | st.integers(0, 12))
    for tally in world.close().tallies.values():
        kinds = [getattr(tally, f.name) for f in fields(Tally) if f.name not in ("records", "expired")]
        assert sum(kinds) == tally.records


def test_sums_add_field_by_field() -> None:
    """The column `sum` of the table."""
    one = Tally(**{f.name: n for n, f in enumerate(fields(Tally))})
    assert one + one == replace(one, **{f.name: 2 * n for n, f in enumerate(fields(Tally))})
