"""Every topic: name, value, partitions, policy. Nowhere else is a topic name spelled."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from app.settings import Settings
from detection.track import Track
from models.anonymized_transaction import AnonymizedTransaction
from models.card_testing_alert import CardTestingAlert
from models.case import Case
from models.dead_letter import DeadLetter
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from models.public_statistics import PublicStatistics
from models.published_group import PublishedGroup
from models.statistics_budget import StatisticsBudget
from models.transaction import Transaction
from sketches.notebook import Snapshot

_DAY_MS = 24 * 60 * 60 * 1000
_ELSEWHERE = "under another key or partition than their device's; their origin stands in headers"

Zone = Literal["restricted", "internal", "public"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSpec:
    """A topic as `topics create` makes it. `key_doc` says what its record keys are."""

    name: str
    value: type[msgspec.Struct]
    doc: str
    zone: Zone
    retention_ms: int = 30 * _DAY_MS
    compacted: bool = False
    max_message_bytes: int | None = None
    """Where records may be larger than the broker's default, 1 MiB."""
    key_doc: str = "Device id, UTF-8."
    is_by_device: bool = True
    """A device's records lie in the same partition as those of the other topics that are so."""

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings on the broker."""
        policy = {"cleanup.policy": "compact"}
        if not self.compacted:
            policy = {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}
        if self.max_message_bytes is not None:
            policy["max.message.bytes"] = str(self.max_message_bytes)
        return policy


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTopics:
    """What an app does with topics. It reads and writes what it `keeps`: changelogs, re-keyed records."""

    reads: tuple[TopicSpec, ...]
    """Read together; the order breaks ties of the timestamp."""
    keeps: tuple[TopicSpec, ...]
    writes: tuple[TopicSpec, ...]

    @property
    def all(self) -> tuple[TopicSpec, ...]:
        """Every one, once."""
        return tuple({each.name: each for each in (*self.reads, *self.keeps, *self.writes)}.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Topics:
    """All topics of one installation."""

    location_data: TopicSpec
    transaction_data: TopicSpec
    location_repartition: TopicSpec
    transaction_repartition: TopicSpec
    latest_locations_changelog: TopicSpec
    tracks_changelog: TopicSpec
    cases_changelog: TopicSpec
    transaction_decisions: TopicSpec
    potential_fraud: TopicSpec
    dead_letters: TopicSpec
    card_testing_alerts: TopicSpec
    anonymized_transactions: TopicSpec
    sketches_changelog: TopicSpec
    views_changelog: TopicSpec
    devices_changelog: TopicSpec
    groups_changelog: TopicSpec
    budget_changelog: TopicSpec
    public_statistics: TopicSpec

    @property
    def all(self) -> tuple[TopicSpec, ...]:
        """Every topic, in the order of the way of the data."""
        return (
            self.location_data,
            self.transaction_data,
            self.location_repartition,
            self.transaction_repartition,
            self.latest_locations_changelog,
            self.tracks_changelog,
            self.cases_changelog,
            self.transaction_decisions,
            self.potential_fraud,
            self.dead_letters,
            self.card_testing_alerts,
            self.anonymized_transactions,
            self.sketches_changelog,
            self.views_changelog,
            self.devices_changelog,
            self.groups_changelog,
            self.budget_changelog,
            self.public_statistics,
        )

    @property
    def detector_inputs(self) -> tuple[TopicSpec, ...]:
        """What the detector reads together. The order breaks ties: locations before transactions."""
        return (
            self.location_data,
            self.location_repartition,
            self.transaction_data,
            self.transaction_repartition,
        )

    @property
    def detector(self) -> AppTopics:
        """The detector's."""
        return AppTopics(
            reads=self.detector_inputs,
            keeps=(
                self.location_repartition,
                self.transaction_repartition,
                self.latest_locations_changelog,
                self.tracks_changelog,
                self.cases_changelog,
            ),
            writes=(self.transaction_decisions, self.potential_fraud, self.dead_letters),
        )

    @property
    def publisher(self) -> AppTopics:
        """The publisher's."""
        return AppTopics(
            reads=(
                self.location_data,
                self.location_repartition,
                self.transaction_decisions,
                self.potential_fraud,
            ),
            keeps=(
                self.sketches_changelog,
                self.views_changelog,
                self.devices_changelog,
                self.groups_changelog,
                self.budget_changelog,
            ),
            writes=(
                self.anonymized_transactions,
                self.public_statistics,
                self.card_testing_alerts,
                self.dead_letters,
            ),
        )

    @property
    def sink(self) -> AppTopics:
        """Every sink's."""
        return AppTopics(reads=(self.anonymized_transactions,), keeps=(), writes=(self.dead_letters,))

    @property
    def notifier(self) -> AppTopics:
        """The notifier's."""
        return AppTopics(
            reads=(self.potential_fraud, self.card_testing_alerts), keeps=(), writes=(self.dead_letters,)
        )


def topics_of(settings: Settings) -> Topics:
    """The topics of the installation whose apps are `settings.app_id` and `settings.publisher_id`."""
    app_id, publisher_id = settings.app_id, settings.publisher_id
    return Topics(
        location_data=TopicSpec(
            name="location_data",
            value=LocationFix,
            doc="Where phones say they are.",
            zone="restricted",
            retention_ms=7 * _DAY_MS,
        ),
        transaction_data=TopicSpec(
            name="transaction_data",
            value=Transaction,
            doc="Uses of cards.",
            zone="restricted",
            retention_ms=7 * _DAY_MS,
        ),
        location_repartition=TopicSpec(
            name=f"{app_id}-location_data-repartition",
            value=LocationFix,
            doc=f"Locations that lay {_ELSEWHERE}.",
            zone="restricted",
            retention_ms=7 * _DAY_MS,  # they keep their timestamps, so they must live as long as the inputs
        ),
        transaction_repartition=TopicSpec(
            name=f"{app_id}-transaction_data-repartition",
            value=Transaction,
            doc=f"Transactions that lay {_ELSEWHERE}.",
            zone="restricted",
            retention_ms=7 * _DAY_MS,
        ),
        latest_locations_changelog=TopicSpec(
            name=f"{app_id}-latest_locations-changelog",
            value=LatestLocation,
            doc="State of the detector under the profile paper: the latest fix of each device (msgpack).",
            zone="restricted",
            compacted=True,
        ),
        tracks_changelog=TopicSpec(
            name=f"{app_id}-tracks-changelog",
            value=Track,
            doc="State of the detector under the profile envelope: what each device reported, in pages of"
            " four fixes.",
            key_doc="Number of the page (a byte) and device id, UTF-8.",
            zone="restricted",
            compacted=True,
        ),
        cases_changelog=TopicSpec(
            name=f"{app_id}-cases-changelog",
            value=Case,
            doc="State of the detector: open transactions, and those decided within the hour (msgpack).",
            key_doc="Length of the device id (2 bytes, big-endian), device id, transaction id, UTF-8.",
            zone="restricted",
            compacted=True,
        ),
        transaction_decisions=TopicSpec(
            name="transaction_decisions",
            value=Decision,
            doc="Every verdict, with its evidence.",
            zone="restricted",
        ),
        potential_fraud=TopicSpec(
            name="Potential_fraud_transactions",
            value=FlaggedTransaction,
            doc="Transactions that the phone speaks against.",
            zone="restricted",
        ),
        dead_letters=TopicSpec(
            name="dead_letters",
            value=DeadLetter,
            doc="Records that could not be processed, byte for byte, with the reason in headers.",
            zone="restricted",
            is_by_device=False,
        ),
        card_testing_alerts=TopicSpec(
            name="card_testing_alerts",
            value=CardTestingAlert,
            doc="Near-identical small transactions of many cards within minutes.",
            key_doc="Id of the alert, UTF-8.",
            zone="restricted",
            is_by_device=False,
        ),
        sketches_changelog=TopicSpec(
            name=f"{publisher_id}-sketches-changelog",
            value=Snapshot,
            doc="State of the publisher: sketches of what streams, with the offsets in each (msgpack).",
            key_doc="Name of the sketch; behind a slash its key, where there is one for each. UTF-8.",
            zone="restricted",
            compacted=True,
            max_message_bytes=16 * 1024**2,
        ),
        views_changelog=TopicSpec(
            name=f"{publisher_id}-views-changelog",
            value=Snapshot,
            doc="State of the publisher: tallies of spans of time, with the offsets in each (msgpack).",
            key_doc="Name of the view, slash, start of the span in milliseconds since the epoch. UTF-8.",
            zone="restricted",
            compacted=True,
        ),
        devices_changelog=TopicSpec(
            name=f"{publisher_id}-devices-changelog",
            value=Snapshot,
            doc="State of the publisher: what was counted of each device, and where it usually is (msgpack).",
            zone="restricted",
            compacted=True,
        ),
        groups_changelog=TopicSpec(
            name=f"{publisher_id}-groups-changelog",
            value=PublishedGroup,
            doc="State of the publisher: published rows whose inputs may be read again (msgpack).",
            key_doc="Offset of the group's last decision, 8 bytes, big-endian.",
            zone="restricted",
            compacted=True,
            max_message_bytes=16 * 1024**2,
        ),
        budget_changelog=TopicSpec(
            name=f"{publisher_id}-budget-changelog",
            value=StatisticsBudget,
            doc="State of the publisher: what is spent of the day's privacy budget, and for what (msgpack).",
            key_doc="The text budget.",
            zone="restricted",
            compacted=True,
        ),
        public_statistics=TopicSpec(
            name="public_statistics",
            value=PublicStatistics,
            doc="Final verdicts of an hour, with noise: differentially private.",
            key_doc="The hour, ISO 8601.",
            zone="public",
            is_by_device=False,
        ),
        anonymized_transactions=TopicSpec(
            name="anonymized_transactions",
            value=AnonymizedTransaction,
            doc="Final verdicts for analysts: every row looks like those of k people (docs/privacy.md).",
            zone="public",
            key_doc="Row token, UTF-8.",
            is_by_device=False,
        ),
    )
