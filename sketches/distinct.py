"""How many different ones: HyperLogLog.

Apache's and not datasketch's: for the same error, with 2^15 registers, it takes 25 KB instead of 33, a few
bytes while there are few items, and 0.2 µs an item instead of 0.9.
"""

from array import array
from typing import Final, Self

import msgspec
from datasketches import hll_sketch, hll_union, tgt_hll_type

from sketches.sketch import from_frame, to_frame

LG_REGISTERS: Final = 15
STANDARD_DEVIATIONS: Final = 3  # chance exceeds these in 0.3 % of cases
# 6 bits a register: with 4 there is a table of exceptions, whose order depends on that of the items.
_TYPE: Final = tgt_hll_type.HLL_6
_EMPTY: Final = "\0"
_FRAME_BYTES: Final = 64  # version, tag, lengths
# Few items are kept as hashes ("coupons") after a header, whose first byte says whether as a list or a table.
_COUPON_HEADER_BYTES: Final = {2: 8, 3: 12}


class _State(msgspec.Struct, frozen=True, array_like=True, tag="distinct"):
    hll: bytes


class Distinct:
    """The number of different items of a stream.

    HyperLogLog (Flajolet et al., AofA 2007) as Apache DataSketches has it, on MurmurHash3 with a fixed seed:
    exact but for equal hashes up to some 3,000 items, 2^15 registers beyond. State and estimate are functions
    of the set of items, not of their order, repeats or partition. Apache's closer estimate of unmerged
    sketches (HIP) depends on the order, so it is not used.
    """

    def __init__(self) -> None:
        self._hll = hll_sketch(LG_REGISTERS, _TYPE)

    def update(self, *items: str) -> None:
        """Count items."""
        update = self._hll.update
        for item in items:
            update(item or _EMPTY)  # Apache passes over an empty text

    def merge(self, other: Self) -> None:
        """Become the sketch of both streams."""
        self._hll = _union(self._hll, other._hll).get_result(_TYPE)

    def estimate(self) -> float:
        """How many different items there were."""
        return float(_union(self._hll, self._hll).get_estimate())

    def to_bytes(self) -> bytes:
        """The whole state."""
        return to_frame(_State(_canonical(self._hll)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError where this is none."""
        sketch = cls()
        sketch._hll = _read(from_frame(data, _State).hll)
        return sketch

    def size_bound_bytes(self) -> int:
        """The most that `to_bytes` returns."""
        return _FRAME_BYTES + int(hll_sketch.get_max_updatable_serialization_bytes(LG_REGISTERS, _TYPE))

    def error_bound(self) -> float:
        """The relative error of `estimate` at three standard deviations of 1.04 / √2^15: 1.72 %."""
        upper, unioned = False, True
        return float(hll_sketch.get_rel_err(upper, unioned, LG_REGISTERS, STANDARD_DEVIATIONS))


def _union(one: hll_sketch, two: hll_sketch) -> hll_union:
    """Of both; of a sketch with itself, too, it has the registers and not what depends on the order."""
    union = hll_union(LG_REGISTERS)
    union.update(one)
    union.update(two)
    return union


def _canonical(hll: hll_sketch) -> bytes:
    """Apache's form, with what depends on the order of the items put in order."""
    code: bytes = _union(hll, hll).get_result(_TYPE).serialize_compact()
    at = _COUPON_HEADER_BYTES.get(code[0], len(code))
    return code[:at] + array("I", sorted(array("I", code[at:]))).tobytes()


def _read(code: bytes) -> hll_sketch:
    """What `_canonical` wrote. Raises ValueError where it is none, whatever Apache makes of it."""
    try:
        hll = hll_sketch.deserialize(code)
    except (ValueError, IndexError, RuntimeError) as e:
        raise ValueError(f"these bytes are no HyperLogLog of Apache DataSketches: {e}") from None
    if hll.lg_config_k != LG_REGISTERS or _canonical(hll) != code:
        raise ValueError("these bytes are no HyperLogLog that this program wrote")
    return hll
