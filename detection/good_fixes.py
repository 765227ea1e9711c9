"""Which fixes of a device are evidence: the largest chain that one phone can have travelled.

Fixes are as a track keeps them: speed and accuracy are None where they are unknown, never negative.
"""

from bisect import insort
from collections.abc import Iterator, Sequence
from math import sqrt
from typing import Final

from detection.fix import Fix
from detection.fix_code import TICK_BITS_OF_S, Words, decode
from detection.geodesy import distance_m
from detection.profile import EnvelopeProfile
from detection.reach import radius_m, reach_between_m

LONGEST_DEGREE_M: Final = 111_700.0  # of latitude, at a pole of WGS84 (111,694); no degree is longer
UNITS_PER_DEGREE: Final = 1e7  # of the latitude and longitude in a fix's code
# A square with sides of so many units for each metre has a diagonal of a metre at most.
UNITS_PER_DIAGONAL_M: Final = UNITS_PER_DEGREE / LONGEST_DEGREE_M / sqrt(2)

_MOST_SIDES: Final = 1000  # a square that is too small costs time only
_LARGEST_SIDE: Final = 2**30 - 1


class Chains:
    """Finds the good fixes among some, with the constants of a profile. Immutable."""

    __slots__ = ("_profile", "_sides")

    def __init__(self, profile: EnvelopeProfile) -> None:
        self._profile = profile
        self._sides = tuple(_sides(profile))

    def good_fixes(self, codes: Sequence[Words]) -> list[bool]:
        """Tell which fixes, given by their codes in order of time, belong to the largest consistent chain.

        In a chain, each fix is consistent with the next one. A false fix does not fit between the good ones
        before and after it and is passed over; a phone that really went far fits, or wins as soon as more
        fixes support the new place than the old one. Of chains of the same length the one that starts
        earlier counts: what is established stays until it is outnumbered. Equal input gives equal output.

        Costs one comparison a fix where all agree, and at most one for each pair.
        """
        count = len(codes)
        start = count - 1  # of the chain at the end: mostly the only one
        while start > 0 and self.are_consistent(codes[start - 1], codes[start]):
            start -= 1
        if start <= 0:
            return [True] * count
        longest = list(range(count, 0, -1))  # length of the longest chain that starts with each fix
        following = [*range(1, count), -1]
        # (-length, number): longest first, then the next one in time
        by_length = [(-longest[number], number) for number in range(start, count)]
        for number in range(start - 1, -1, -1):
            for negative_length, candidate in by_length:
                if self.are_consistent(codes[number], codes[candidate]):
                    longest[number], following[number] = 1 - negative_length, candidate
                    break
            else:
                longest[number], following[number] = 1, -1
            insort(by_length, (-longest[number], number))
        good = [False] * count
        number = by_length[0][1]
        while number >= 0:
            good[number] = True
            number = following[number]
        return good

    def are_consistent(self, earlier: Words, later: Words) -> bool:
        """Whether one phone can have been at both fixes, given their accuracies, speeds and times."""
        # Most lie in a square that drift and travel explain: it needs no geodesic, and no code is decoded.
        early_bucket, early_part, _, _, early_latitude, early_longitude = earlier
        late_bucket, late_part, _, _, late_latitude, late_longitude = later
        elapsed_s = (late_bucket - early_bucket << 8) + late_part - early_part >> TICK_BITS_OF_S
        sides = self._sides
        side = sides[elapsed_s] if elapsed_s < len(sides) else sides[-1]
        if abs(early_latitude - late_latitude) < side and abs(early_longitude - late_longitude) < side:
            return True
        return self._explain_distance(decode(earlier), decode(later))

    def _explain_distance(self, earlier: Fix, later: Fix) -> bool:
        profile = self._profile
        apart_m = distance_m(
            earlier.latitude_deg, earlier.longitude_deg, later.latitude_deg, later.longitude_deg
        )
        off_m = profile.fix_drift_m + radius_m(earlier, profile) + radius_m(later, profile)
        return apart_m <= off_m or apart_m <= off_m + reach_between_m(earlier, later, profile)


def _sides(profile: EnvelopeProfile) -> Iterator[int]:
    """Sides of squares, in units of a code, after each whole second.

    Drift, and travel between two reported speeds of 0, explain their diagonals. They grow until the phone
    would be an airliner half way. Whole numbers, of a size that Python compares in half the time.
    """
    longest_s = 2 * (profile.airliner_mps - profile.tolerance_mps) / profile.acceleration_mps2
    for elapsed_s in range(int(min(longest_s, _MOST_SIDES)) + 1):
        travelled_m = (profile.tolerance_mps + profile.acceleration_mps2 / 4 * elapsed_s) * elapsed_s
        side = (profile.fix_drift_m + travelled_m) * UNITS_PER_DIAGONAL_M
        yield int(min(side, _LARGEST_SIDE))
