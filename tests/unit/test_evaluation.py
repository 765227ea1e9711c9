"""The floors that the verdicts of `envelope` must not fall below, on streams with known truth."""

from collections.abc import Iterable, Iterator

import pytest

from app.decoders import input_decoders
from app.replay import replay
from app.rules import rule_of
from app.scoring import Labels, Rates, Verdicts, by_category, rates
from app.settings import PROJECT_DIR, Settings
from app.topics import topics_of
from detection.detector import Detector, Outcome
from detection.profile import EnvelopeProfile
from sources.event_file import Event, read_events
from sources.labels import Label, read_labels
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate

LABELLED_DIR = PROJECT_DIR.parent / "shared" / "data" / "labelled"
TOPICS = topics_of(Settings())


def verdicts_on(events: Iterable[Event]) -> Verdicts:
    """First and final verdicts of the built-in envelope, with the settings' own periods."""
    settings, verdicts = Settings(), Verdicts()
    detector = Detector(
        rule=rule_of(EnvelopeProfile()),
        card_token_of="card:{}".format,
        user_token_of="user:{}".format,
        grace_ms=round(settings.grace_period_s * 1000),
    )
    for result in replay(events, input_decoders(TOPICS), detector, settings.max_clock_skew_s):
        if isinstance(result, Outcome):
            verdicts.take(result.decision)
    return verdicts


def check(found: Rates, *, precision: float, recall: float, false_positive_rate: float) -> None:
    """Hold rates against their floors, and the last against its ceiling."""
    assert found.precision >= precision, found
    assert found.recall >= recall, found
    assert found.false_positive_rate <= false_positive_rate, found


def check_categories(labels: Labels, verdicts: Verdicts, least: float) -> None:
    """Hold the share that ends as expected against a floor, category by category."""
    shares = {name: c.right / c.count for name, c in by_category(labels, verdicts.final).items()}
    assert not {name: share for name, share in shares.items() if share < least}


def test_the_labelled_events_are_judged_as_well_as_ever() -> None:
    """Real GPS tracks. Seen in November 2026: final 1.0000, 1.0000, 0.0000; first 0.9992, 0.9984, 0.0005."""
    if not LABELLED_DIR.exists():
        pytest.skip("the labelled events (../shared/data/labelled) are not beside the project")
    labels = {label.transaction_id: label for label in read_labels(LABELLED_DIR / "labels.csv")}
    verdicts = verdicts_on(read_events(LABELLED_DIR / "events.jsonl.gz"))
    check(rates(labels, verdicts.final), precision=0.998, recall=0.999, false_positive_rate=0.001)
    check(rates(labels, verdicts.first), precision=0.995, recall=0.995, false_positive_rate=0.015)
    check_categories(labels, verdicts, 0.98)


@pytest.mark.parametrize("seed", [14, 29])
def test_the_simulated_stream_is_judged_as_well_as_ever(seed: int) -> None:
    """Wherever this runs.

    Seen on seeds 11 to 40: final verdicts without an error; of the first ones, precision 1, recall 0.9949 or
    more (seeds 14 and 29), false-positive rate 0. The floors leave room for one wrong final verdict.
    """
    labels: dict[str, Label] = {}
    verdicts = verdicts_on(simulated(seed, labels))
    assert len(labels) > 1000
    check(rates(labels, verdicts.final), precision=0.99, recall=0.99, false_positive_rate=0.001)
    check(rates(labels, verdicts.first), precision=0.97, recall=0.98, false_positive_rate=0.005)
    check_categories(labels, verdicts, 0.96)


def simulated(seed: int, labels: dict[str, Label]) -> Iterator[Event]:
    """Twenty minutes of a city; puts the truth into `labels` on the way."""
    scenario = Scenario(
        seed=seed,
        start_time_ms=1_767_225_600_000,
        duration_s=1200,
        customers=40,
        transactions_per_s=1,
        fraud_share=0.15,
    )
    for each in simulate(
        scenario,
        location_topic=TOPICS.location_data.name,
        transaction_topic=TOPICS.transaction_data.name,
    ):
        if each.label:
            labels[each.label.transaction_id] = each.label
        yield each.event
