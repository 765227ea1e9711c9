"""How far a phone can travel: distances from times and speeds."""

from detection.fix import Fix
from detection.profile import EnvelopeProfile


def reach_m(fix: Fix, elapsed_s: float, profile: EnvelopeProfile) -> float:
    """The most that a phone can have travelled in `elapsed_s` before or after a fix, in metres.

    It starts with its reported speed and the tolerance, and gains speed until it is an airliner.
    """
    return _ramp_m(_speed_mps(fix, profile), elapsed_s, profile)


def reach_between_m(earlier: Fix, later: Fix, profile: EnvelopeProfile) -> float:
    """The most that a phone can have travelled between two fixes, in metres.

    It gains speed after the one, and must have lost it until the other: the area under the lower of two
    ramps.
    """
    elapsed_s = (later.event_time_ns - earlier.event_time_ns) / 1e9
    first_mps, last_mps = _speed_mps(earlier, profile), _speed_mps(later, profile)
    gaining_s = (last_mps - first_mps + profile.acceleration_mps2 * elapsed_s) / (
        2 * profile.acceleration_mps2
    )
    if gaining_s <= 0.0:
        return _ramp_m(last_mps, elapsed_s, profile)
    if gaining_s >= elapsed_s:
        return _ramp_m(first_mps, elapsed_s, profile)
    peak_mps = first_mps + profile.acceleration_mps2 * gaining_s
    if peak_mps <= profile.airliner_mps:
        return (first_mps + peak_mps) / 2 * gaining_s + (last_mps + peak_mps) / 2 * (elapsed_s - gaining_s)
    lost_m = ((profile.airliner_mps - first_mps) ** 2 + (profile.airliner_mps - last_mps) ** 2) / (
        2 * profile.acceleration_mps2
    )
    return profile.airliner_mps * elapsed_s - lost_m


def radius_m(fix: Fix, profile: EnvelopeProfile) -> float:
    """How far off a fix may be by its own account, in metres."""
    return profile.unknown_accuracy_m if fix.accuracy_m is None else fix.accuracy_m


def _speed_mps(fix: Fix, profile: EnvelopeProfile) -> float:
    reported_mps = profile.unknown_speed_mps if fix.speed_mps is None else fix.speed_mps
    return min(reported_mps + profile.tolerance_mps, profile.airliner_mps)


def _ramp_m(start_mps: float, elapsed_s: float, profile: EnvelopeProfile) -> float:
    """Distance of a start at `start_mps` that gains speed, up to an airliner's."""
    gaining_s = (profile.airliner_mps - start_mps) / profile.acceleration_mps2
    if elapsed_s <= gaining_s:
        return (start_mps + profile.acceleration_mps2 * elapsed_s / 2) * elapsed_s
    return profile.airliner_mps * elapsed_s - (profile.airliner_mps - start_mps) * gaining_s / 2
