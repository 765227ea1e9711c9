"""A fix in fifteen bytes: what a track keeps of each.

Big-endian fields, most significant first, so that comparing the bytes of two codes compares their times,
and of two fixes at the same time the more accurate is the greater:

    32 bits  time, in buckets of 8 s since 1678; 0: no fix
     8 bits  time in the bucket, in ticks of 1/32 s
     8 bits  accuracy, the better the higher; 0: unknown
     8 bits  speed; 255: unknown
    32 bits  latitude, 1e-7 degrees (1.1 cm) north of the south pole
    32 bits  longitude, 1e-7 degrees east of the antimeridian

Accuracy and speed lie on logarithmic scales and are rounded up, by at most 5 % and 3.3 %: what cannot be
known better must not make a fix look more certain, or a phone slower, than it is. Encoding what was decoded
gives the same bytes.
"""

from bisect import bisect_left
from collections.abc import Callable
from struct import Struct
from typing import Final

from detection.fix import Fix

Words = tuple[int, int, int, int, int, int]

CODE_BYTES: Final = 15

TICK_NS: Final = 31_250_000
TICK_BITS_OF_S: Final = 5
TICKS_PER_S: Final = 1 << TICK_BITS_OF_S
ORIGIN_NS: Final = -9_214_560_000 * 1_000_000_000  # 1678-01-01, the first time that a message may have
_ROUNDING_NS: Final = TICK_NS // 2 - ORIGIN_NS
_FIRST_TICK: Final = 256  # the first bucket stands for no fix
_LAST_TICK: Final = 2**40 - 1  # in the year 2766

LATITUDE_ORIGIN: Final = 900_000_000  # the code of latitude 0
LONGITUDE_ORIGIN: Final = 1_800_000_000

_BITS_AFTER_TICK: Final = 8 * (CODE_BYTES - 5)
_ALL_AFTER_TICK: Final = (1 << _BITS_AFTER_TICK) - 1

# Bucket, tick in it, accuracy, speed, latitude and longitude.
_WORDS: Final = Struct(">IBBBII")
_pack = _WORDS.pack

words_at: Final[Callable[..., Words]] = _WORDS.unpack_from
"""The fields of a code, or of the one at an offset in a row of codes; they compare as the codes do."""

_ACCURACIES_M: Final = tuple(1.05**code for code in range(255))  # 1 m to 242 km
_SPEEDS_MPS: Final = tuple(0.1 * (1.033**code - 1.0) for code in range(255))  # 0 to 381 m/s
_LAST_OF_SCALE: Final = 254
_UNKNOWN_SPEED: Final = 255
_UNKNOWN_ACCURACY: Final = 0

_ACCURACY_OF_CODE: Final[tuple[float | None, ...]] = (None, *reversed(_ACCURACIES_M))
_SPEED_OF_CODE: Final[tuple[float | None, ...]] = (*_SPEEDS_MPS, None)


def tick_of(time_ns: int) -> int:
    """The tick nearest to a time in nanoseconds since the epoch; the first 8 seconds of 1678 are one tick.

    Its bucket is `tick >> 8`.
    """
    tick = (time_ns + _ROUNDING_NS) // TICK_NS
    return tick if _FIRST_TICK <= tick <= _LAST_TICK else min(max(tick, _FIRST_TICK), _LAST_TICK)


def last_of(tick: int) -> bytes:
    """Return bytes that compare as later than the code of any fix at a tick, and earlier than those after."""
    return (tick << _BITS_AFTER_TICK | _ALL_AFTER_TICK).to_bytes(CODE_BYTES, "big")


def encode(tick: int, fix: Fix) -> bytes:
    """Return the fifteen bytes of a fix whose `tick_of` is `tick`.

    A negative speed or accuracy, and one that is no number, is unknown. Speeds above 381 m/s and
    accuracies above 242 km become these.
    """
    speed_mps, accuracy_m = fix.speed_mps, fix.accuracy_m
    speed, accuracy = _UNKNOWN_SPEED, _UNKNOWN_ACCURACY
    if speed_mps is not None and speed_mps >= 0.0:  # false for what is no number
        speed = bisect_left(_SPEEDS_MPS, speed_mps, 0, _LAST_OF_SCALE)
    if accuracy_m is not None and accuracy_m >= 0.0:
        accuracy = 255 - bisect_left(_ACCURACIES_M, accuracy_m, 0, _LAST_OF_SCALE)
    return _pack(
        tick >> 8,
        tick & 255,
        accuracy,
        speed,
        int(fix.latitude_deg * 1e7 + 900_000_000.5),
        int(fix.longitude_deg * 1e7 + 1_800_000_000.5),
    )


def speed_mps(code: Words) -> float | None:
    """The reported speed in a code's fields, None where it is unknown; without decoding the rest."""
    return _SPEED_OF_CODE[code[3]]


def decode(code: Words) -> Fix:
    """Return the fix that a code's fields stand for; speed and accuracy None where unknown."""
    bucket, part, accuracy, speed, latitude, longitude = code
    return Fix(
        (bucket << 8 | part) * TICK_NS + ORIGIN_NS,
        (latitude - LATITUDE_ORIGIN) / 1e7,
        (longitude - LONGITUDE_ORIGIN) / 1e7,
        _SPEED_OF_CODE[speed],
        _ACCURACY_OF_CODE[accuracy],
    )
