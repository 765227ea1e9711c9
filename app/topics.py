"""Every topic: name, value, partitions, policy. Nowhere else is a topic name spelled."""

from dataclasses import dataclass
from typing import Literal

import msgspec

from app.settings import Settings
from detection.track import Track
from models.anonymized_transaction import AnonymizedTransaction
from models.case import Case
from models.dead_letter import DeadLetter
from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.latest_location import LatestLocation
from models.location_fix import LocationFix
from models.transaction import Transaction

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
    key_doc: str = "Device id, UTF-8."

    @property
    def config(self) -> dict[str, str]:
        """The topic's settings on the broker."""
        if self.compacted:
            return {"cleanup.policy": "compact"}
        return {"cleanup.policy": "delete", "retention.ms": str(self.retention_ms)}


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
    anonymized_transactions: TopicSpec
    dead_letters: TopicSpec

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
            self.anonymized_transactions,
            self.dead_letters,
        )

    @property
    def detector(self) -> tuple[TopicSpec, ...]:
        """What the detector reads or writes."""
        return tuple(topic for topic in self.all if topic is not self.anonymized_transactions)

    @property
    def detector_inputs(self) -> tuple[TopicSpec, ...]:
        """What the detector reads together. The order breaks ties: locations before transactions."""
        return (
            self.location_data,
            self.location_repartition,
            self.transaction_data,
            self.transaction_repartition,
        )


def topics_of(settings: Settings) -> Topics:
    """The topics of the installation whose detector is `settings.app_id`."""
    app_id = settings.app_id
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
        anonymized_transactions=TopicSpec(
            name="anonymized_transactions",
            value=AnonymizedTransaction,
            doc="Final verdicts among people who look alike, for analysts and stores.",
            key_doc="Row token, UTF-8.",
            zone="public",
        ),
        dead_letters=TopicSpec(
            name="dead_letters",
            value=DeadLetter,
            doc="Records that could not be processed, byte for byte, with the reason in headers.",
            zone="restricted",
        ),
    )
