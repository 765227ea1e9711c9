"""Which fixes of a device are evidence: the largest chain that one phone can have travelled.

Fixes are as a track keeps them: speed and accuracy are None where they are unknown, never negative.
"""

from bisect import insort
from collections.abc import Sequence
from itertools import pairwise
from math import sqrt
from typing import Final

from detection.fix import Fix
from detection.geodesy import distance_m
from detection.profile import EnvelopeProfile
from detection.reach import radius_m, reach_between_m

LONGEST_DEGREE_M: Final = 111_700.0  # of latitude, at a pole of WGS84 (111,694); no degree is longer
_DIAGONAL_M: Final = sqrt(2) * LONGEST_DEGREE_M  # of a square with sides of a degree, at most


def are_consistent(earlier: Fix, later: Fix, profile: EnvelopeProfile) -> bool:
    """Whether one phone can have been at both fixes, given their accuracies, speeds and times."""
    # Two fixes in a square whose diagonal drift explains, and travel with reported speeds of 0, need no
    # geodesic: nearly all of a chain.
    elapsed_s = min(
        (later.event_time_ns - earlier.event_time_ns) / 1e9,
        2 * (profile.airliner_mps - profile.tolerance_mps) / profile.acceleration_mps2,
    )
    least_m = (profile.tolerance_mps + profile.acceleration_mps2 / 4 * elapsed_s) * elapsed_s
    side_deg = (profile.fix_drift_m + least_m) / _DIAGONAL_M
    if (
        -side_deg < earlier.latitude_deg - later.latitude_deg < side_deg
        and -side_deg < earlier.longitude_deg - later.longitude_deg < side_deg
    ):
        return True
    apart_m = distance_m(earlier.latitude_deg, earlier.longitude_deg, later.latitude_deg, later.longitude_deg)
    off_m = profile.fix_drift_m + radius_m(earlier, profile) + radius_m(later, profile)
    return apart_m <= off_m or apart_m <= off_m + reach_between_m(earlier, later, profile)


def good_fixes(fixes: Sequence[Fix], profile: EnvelopeProfile) -> list[bool]:
    """Tell which of `fixes`, given in the order of time, belong to the largest consistent chain.

    In a chain, each fix is consistent with the next one. A false fix does not fit between the good ones
    before and after it and is passed over; a phone that really went far fits, or wins as soon as more fixes
    support the new place than the old one. Of chains of the same length the one that starts earlier counts:
    what is established stays until it is outnumbered. Equal input gives equal output.

    Costs one comparison a fix where all agree, and at most one for each pair.
    """
    if all(are_consistent(earlier, later, profile) for earlier, later in pairwise(fixes)):
        return [True] * len(fixes)
    longest = [0] * len(fixes)  # length of the longest chain that starts with each fix
    following = [-1] * len(fixes)
    by_length: list[tuple[int, int]] = []  # (-length, number): longest first, then the next one in time
    for number in range(len(fixes) - 1, -1, -1):
        for negative_length, candidate in by_length:
            if are_consistent(fixes[number], fixes[candidate], profile):
                longest[number], following[number] = 1 - negative_length, candidate
                break
        else:
            longest[number] = 1
        insort(by_length, (-longest[number], number))
    good = [False] * len(fixes)
    number = by_length[0][1] if by_length else -1
    while number >= 0:
        good[number] = True
        number = following[number]
    return good
