"""What the profile `envelope` must end with, however its input arrived."""

from collections.abc import Iterable

import msgspec

from app.decoders import input_decoders
from app.replay import replay
from app.rules import detector_of
from app.settings import Settings
from detection.detector import Outcome
from detection.envelope_rule import EnvelopeRule
from detection.track import Track
from models.decision import Decision
from models.location_fix import LocationFix
from sources.event_file import Event
from streaming.errors import RecordError
from streaming.partitions import partition_of
from tables.tracks import PageLayout
from tests.pipeline import Pipeline, location


def closing(pipeline: Pipeline, after: Iterable[Event]) -> list[Event]:
    """Two phones in each partition report long after all the rest: every deadline has passed."""
    last_ms = max(event.arrival_ms for event in after) + 1_000_000
    count = pipeline.settings.topic_partitions
    names = [f"closing-{n}" for n in range(100)]
    return [
        location(name, last_ms + place)
        for partition in range(count)
        for place, name in enumerate([n for n in names if partition_of(n.encode(), count) == partition][:2])
    ]


def finals(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """Final decisions; their revision and what was said before depend on the order of arrival."""
    final = [d for d in decisions if d.stage == "final"]
    return {d.transaction_id: msgspec.structs.replace(d, revision=0) for d in final}


def replayed(pipeline: Pipeline, events: Iterable[Event]) -> dict[str, Decision]:
    """The final decisions of `replay`."""
    settings = Settings.from_env(pipeline.own_env)
    results = replay(
        events,
        input_decoders(pipeline.topics),
        detector_of(settings),
        max_clock_skew_s=settings.max_clock_skew_s,
    )
    return finals(r.decision for r in results if isinstance(r, Outcome))


def true_tracks(pipeline: Pipeline, rule: EnvelopeRule) -> dict[bytes, Track]:
    """What the table must hold: the track of all that a device reported."""
    decode = input_decoders(pipeline.topics)[pipeline.topics.location_data.name].decode
    tracks: dict[bytes, Track] = {}
    for record in pipeline.records(pipeline.topics.location_data):
        try:
            fix: LocationFix = decode(record.value)
        except RecordError:
            continue
        tracks[fix.key] = rule.after(tracks.get(fix.key), fix)
    return tracks


def changelog_tracks(pipeline: Pipeline) -> dict[bytes, Track]:
    """What a worker that starts without a directory restores."""
    records = [(r.key, r.value) for r in pipeline.records(pipeline.topics.tracks_changelog)]
    rows = PageLayout().restored(records, lambda _: {})
    return {device: Track.from_row(row) for device, row in rows if row is not None}


def assert_alerts_explain_themselves(pipeline: Pipeline) -> None:
    """Of every transaction, the last alert says what its final verdict says."""
    verdicts = {name: d.verdict for name, d in finals(pipeline.decisions()).items()}
    told: dict[str, str] = {}
    for record in pipeline.records(pipeline.topics.potential_fraud):
        alert = msgspec.json.decode(record.value)
        told[alert["transaction_id"]] = alert["event"]
    flagged = {name for name, verdict in verdicts.items() if verdict == "flagged"}
    assert {name for name, event in told.items() if event != "retracted"} == flagged
