"""What the rules say of one transaction, with the evidence for it."""

from datetime import datetime
from typing import Annotated, Literal, Self

import msgspec
from msgspec import Meta

Verdict = Literal["flagged", "cleared", "no_location"]


class UsedFix(msgspec.Struct, frozen=True, gc=False):
    """A location report that a verdict stands on."""

    event_time: datetime
    latitude_deg: float
    longitude_deg: float
    speed_mps: float | None
    accuracy_m: float | None


class Judgement(msgspec.Struct, frozen=True, gc=False):
    """A verdict with the figures that it was reached by, so that anyone can recompute it.

    `distance_m`, `elapsed_s` and the speeds belong to the decisive fix, the first of `fixes`. Without a
    location of the device, its figures are None and `fixes` is empty.
    """

    verdict: Verdict
    reasons: Annotated[tuple[str, ...], Meta(description="Codes; docs/verdicts.md explains each.")]
    distance_m: Annotated[
        float | None, Meta(description="WGS84 geodesic from the fix to the transaction; null without a fix.")
    ]
    elapsed_s: Annotated[
        float | None, Meta(description="Transaction time less fix time: negative where the fix is later.")
    ]
    implied_speed_mps: float | None
    reported_speed_mps: float | None
    allowed_speed_mps: Annotated[
        float | None, Meta(description="Flagged where the implied speed is above this.")
    ]
    required_m: Annotated[
        float | None,
        Meta(description="Distance less the fix's radius and the terminal's; null under `paper`."),
    ]
    possible_m: Annotated[
        float | None,
        Meta(description="The most that travel and drift explain: flagged where more is required."),
    ]
    fixes: Annotated[
        tuple[UsedFix, ...], Meta(description="The location reports it stands on, the decisive one first.")
    ]
    refused: Annotated[
        tuple[UsedFix, ...], Meta(description="Location reports near it that others make impossible.")
    ]
    profile: Annotated[str, Meta(description="Name of the rule.")]
    profile_version: Annotated[int, Meta(description="Rises when the rule changes.")]

    @classmethod
    def without_location(cls, *, reason: str, profile: str, profile_version: int) -> Self:
        """Neither flagged nor cleared: nothing is known of the device."""
        return cls(
            verdict="no_location",
            reasons=(reason,),
            distance_m=None,
            elapsed_s=None,
            implied_speed_mps=None,
            reported_speed_mps=None,
            allowed_speed_mps=None,
            required_m=None,
            possible_m=None,
            fixes=(),
            refused=(),
            profile=profile,
            profile_version=profile_version,
        )

    def because(self, *reasons: str) -> Self:
        """Return the same judgement with further reasons."""
        return msgspec.structs.replace(self, reasons=(*self.reasons, *reasons))
