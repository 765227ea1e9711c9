"""What the README says the paper's rule is worth, on a stream with known truth."""

from app.decoders import input_decoders
from app.replay import replay
from app.settings import Settings
from app.topics import topics_of
from detection.detector import Detector, Outcome
from detection.paper_rule import PaperRule
from sources.simulation.scenario import Scenario
from sources.simulation.simulator import simulate


def test_it_misses_only_frauds_with_false_fixes_and_flags_most_honest_customers() -> None:
    """The reason for other profiles: whoever reads the demo's output should know."""
    scenario = Scenario(
        seed=3, start_time_ms=1_767_225_600_000, duration_s=1800, customers=30, transactions_per_s=1
    )
    topics = topics_of(Settings())
    simulated = list(
        simulate(
            scenario,
            location_topic=topics.location_data.name,
            transaction_topic=topics.transaction_data.name,
        )
    )
    labels = {each.label.transaction_id: each.label for each in simulated if each.label}
    results = replay(
        (each.event for each in simulated),
        input_decoders(topics),
        Detector(rule=PaperRule(), card_token_of="card:{}".format, user_token_of="user:{}".format),
        max_clock_skew_s=300,
    )
    verdicts = {r.decision.transaction_id: r.decision.verdict for r in results if isinstance(r, Outcome)}
    frauds = [t for t, label in labels.items() if label.expected == "flagged"]
    honest = [t for t, label in labels.items() if label.expected == "cleared"]
    missed = [t for t in frauds if verdicts[t] != "flagged"]
    assert len(frauds) > 50
    assert {labels[t].category for t in missed} <= {"fraud_spoofed_fix"}
    assert 0.5 < sum(verdicts[t] == "flagged" for t in honest) / len(honest) < 0.8
