"""A decision in words and figures. Pure; nothing of card, user or amount is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from models.decision import Decision
from models.flagged_transaction import FlaggedTransaction
from models.judgement import Judgement

REASONS: Final[Mapping[str, str]] = {
    "within_reach": "The phone could have been there.",
    "beyond_reach_of_fix_before": (
        "From where the phone was before, it cannot have come to the transaction in time."
    ),
    "beyond_reach_of_fix_after": (
        "From the transaction, the phone cannot have come in time to where it was afterwards."
    ),
    "fixes_refused": (
        "Locations near the transaction were refused as evidence: the others of this phone make them"
        " impossible."
    ),
    "no_fix_near_in_time": (
        "The nearest good location lies far from the transaction in time, so that much travel was possible."
    ),
    "device_never_seen": "No location of this device had ever arrived.",
    "arrived_after_deadline": (
        "The transaction itself arrived after its grace period was over: it was judged once, by what was"
        " known then."
    ),
    "closed_early": (
        "The verdict was made final before its deadline, because too many transactions were open."
    ),
    "faster_than_reported": (
        "From its latest location the phone would have had to be faster than it reported, tolerance included."
    ),
    "within_reported_speed": (
        "The speed that the phone reported, tolerance included, explains the way from its latest location."
    ),
}
"""What each reason code of detection/ means."""

_KMH_PER_MPS: Final = 3.6
_KM_M: Final = 1000.0
_MINUTE_S: Final = 60.0
_HOUR_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the evidence: what it is, how much, and how it comes about."""

    name: str
    amount: str
    meaning: str


def headline(decision: Decision | FlaggedTransaction) -> str:
    """Verdict and where it comes from: `flagged (final, revision 2, profile envelope version 1)`."""
    verdict = "no location" if decision.verdict == "no_location" else decision.verdict
    return (
        f"{verdict} ({decision.stage}, revision {decision.revision},"
        f" profile {printable(decision.profile)} version {decision.profile_version})"
    )


def in_words(decision: Judgement) -> str:
    """Why, in a sentence or two."""
    if decision.distance_m is None or decision.elapsed_s is None:
        return "Nothing can be said: no location of this device was known."
    if decision.required_m is None or decision.possible_m is None:
        return _by_speeds(decision, decision.distance_m, decision.elapsed_s)
    return _by_reach(decision, decision.elapsed_s, decision.required_m, decision.possible_m)


def reason_in_words(code: str) -> str:
    """What a reason code means; a code of another version is named."""
    return REASONS.get(code, f"{printable(code)}: a reason that this version does not know.")


def stage_in_words(decision: Decision | FlaggedTransaction) -> str:
    """Whether the verdict may still change."""
    if decision.stage == "final":
        return "The verdict is final."
    return "The verdict is provisional: locations that arrive within the grace period may change it."


def figures(decision: Judgement) -> tuple[Figure, ...]:
    """The figures of the decisive fix, each with its unit; without a location none."""
    side = "earlier" if (decision.elapsed_s or 0.0) >= 0 else "later"
    at_least = "at least " if is_reach_a_least(decision) else ""
    reach = None if (radius_m := reach_m(decision)) is None else f"{at_least}{radius_m:,.1f} m"
    amounts = (
        ("distance", _metres(decision.distance_m), "from the decisive fix to the transaction, geodesic"),
        ("Δt", _seconds(decision.elapsed_s), f"transaction time less fix time: the fix is {side}"),
        ("required", _metres(decision.required_m), "distance less what fix and terminal may be off"),
        ("possible", _metres(decision.possible_m), "most that travel and drift explain in Δt"),
        ("reach", reach, "radius around the decisive fix, outside of which is flagged"),
        ("implied speed", _speed(decision.implied_speed_mps), "at which the phone would have travelled"),
        ("reported speed", _speed(decision.reported_speed_mps), "by the phone, at the fix"),
        ("allowed speed", _speed(decision.allowed_speed_mps), "flagged where the implied speed is above"),
    )
    return tuple(Figure(name, amount, meaning) for name, amount, meaning in amounts if amount is not None)


def reach_m(decision: Judgement) -> float | None:
    """Radius of the circle around the decisive fix outside of which the transaction is flagged, in metres.

    Without a decisive fix None, and under the profile `paper` where both have the same time, too: it flags
    nothing then.
    """
    if decision.distance_m is None or decision.elapsed_s is None or decision.allowed_speed_mps is None:
        return None
    if decision.required_m is None or decision.possible_m is None:
        return max(decision.allowed_speed_mps, 0.0) * abs(decision.elapsed_s) if decision.elapsed_s else None
    return decision.distance_m - decision.required_m + decision.possible_m


def is_reach_a_least(decision: Judgement) -> bool:
    """Whether the radius may be larger: what fix and terminal may be off explains more than the distance."""
    return decision.required_m == 0.0


def distance_in_words(distance_m: float) -> str:
    """4.2 m, 512 m, 12.4 km, 8,812 km."""
    if distance_m < 9.95:
        return f"{distance_m:.1f} m"
    if distance_m < _KM_M - 0.5:
        return f"{distance_m:.0f} m"
    return f"{distance_m / _KM_M:,.1f} km" if distance_m < 100 * _KM_M else f"{distance_m / _KM_M:,.0f} km"


def duration_in_words(duration_s: float) -> str:
    """1.8 s, 42 s, 3 min 20 s, 2 h 5 min; the sign is dropped."""
    apart_s = abs(duration_s)
    if apart_s < 9.95:
        return f"{apart_s:.1f} s"
    whole_s = round(apart_s)
    if whole_s < _MINUTE_S:
        return f"{whole_s} s"
    if whole_s < _HOUR_S:
        minutes, seconds = divmod(whole_s, 60)
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    hours, minutes = divmod(round(apart_s / _MINUTE_S), 60)
    return f"{hours:,} h {minutes} min" if minutes else f"{hours:,} h"


def apart_in_words(elapsed_s: float) -> str:
    """When a fix was: 42 s before, 1.8 s after."""
    return f"{duration_in_words(elapsed_s)} {'before' if elapsed_s >= 0 else 'after'}"


def printable(text: str) -> str:
    """Text from outside, fit for a terminal: what is no character to look at becomes U+FFFD."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)


def _by_reach(decision: Judgement, elapsed_s: float, required_m: float, possible_m: float) -> str:
    required, possible = _told_apart(required_m, possible_m)
    apart = duration_in_words(elapsed_s)
    if decision.verdict == "flagged" and elapsed_s >= 0:
        return (
            f"To be there, the phone needed to travel at least {required} from where it was {apart} before;"
            f" at most {possible} were possible."
        )
    if decision.verdict == "flagged":
        return (
            f"From there, the phone needed to travel at least {required} to where it was {apart} after;"
            f" at most {possible} were possible."
        )
    away = distance_in_words(decision.distance_m or 0.0)
    needed = f"at least {required} of travel were needed" if required_m else "no travel was needed"
    return (
        f"The phone was {away} away {apart_in_words(elapsed_s)}: {needed},"
        f" and up to {possible} were possible."
    )


def _by_speeds(decision: Judgement, distance_m: float, elapsed_s: float) -> str:
    away = distance_in_words(distance_m)
    if not elapsed_s:
        return (
            f"The phone's latest location is {away} away, of the same time: the rule takes that for no"
            " movement."
        )
    implied, allowed = _speed(decision.implied_speed_mps), _speed(decision.allowed_speed_mps)
    return (
        f"The phone's latest location is {away} away, {apart_in_words(elapsed_s)}: that takes"
        f" {implied}, and {allowed} are allowed."
    )


def _told_apart(one_m: float, other_m: float) -> tuple[str, str]:
    """Two distances in words, with as many digits as it takes to tell them apart."""
    one, other = distance_in_words(one_m), distance_in_words(other_m)
    if one != other or one_m == other_m:
        return one, other
    return f"{one_m:,.2f} m", f"{other_m:,.2f} m"


def _metres(amount_m: float | None) -> str | None:
    return None if amount_m is None else f"{amount_m:,.1f} m"


def _seconds(amount_s: float | None) -> str | None:
    return None if amount_s is None else f"{amount_s:,.3f} s"


def _speed(amount_mps: float | None) -> str | None:
    if amount_mps is None:
        return None
    return f"{amount_mps:,.1f} m/s ({amount_mps * _KMH_PER_MPS:,.0f} km/h)"
