"""What the filter of approved places answers for places that were approved, and for others."""

from collections.abc import Callable
from itertools import islice
from typing import Final

import mmh3

from sketches.accuracy import Finding, beyond_chance
from sketches.chance import Chance
from sketches.place_cells import Cell
from sketches.usual_places import Answer

MOST_DEVICES: Final = 256
_PROBES: Final = 8
"""Places elsewhere that are asked for, of each device."""
_PROMISED: Final = 1.2
"""The filter's rate of false positives is to be within so many times the setting."""
_SEED: Final = 0x1ED6E4


class PlacesLedger:
    """The place of up to MOST_DEVICES devices that was approved last, since this process has the partition.

    In memory only: a filter is right about a device now whatever it knew before, so that nothing is lost with
    a crash but the number of devices that are looked at. Sampled by the devices' hashes.
    """

    def __init__(self, *, span_ms: int, promised: float) -> None:
        self._span_ms = span_ms
        self._bound = _PROMISED * promised
        self._newest_ms = 0
        self._approved: dict[bytes, tuple[Cell, int]] = {}
        self._least = 2**32

    def update(self, device: bytes, usual_place: Cell, record_ms: int) -> None:
        """Take a place that is approved now."""
        self._newest_ms = max(self._newest_ms, record_ms)
        code = _code(device)
        if code >= self._least:
            return
        self._approved[device] = (usual_place, record_ms)
        if len(self._approved) > MOST_DEVICES:
            gone = max(self._approved, key=_code)
            self._least = _code(gone)
            del self._approved[gone]

    def judge(self, name: str, answer: Callable[[bytes, Cell, int], Answer]) -> Finding | None:
        """None before any place is approved. Probes are at random places of the Earth, the same each time."""
        since_ms = self._newest_ms - self._span_ms  # later ones are not forgotten yet
        self._approved = {d: approved for d, approved in self._approved.items() if approved[1] > since_ms}
        if not self._approved:
            return None
        forgotten = false = looks = 0
        for device, (place, record_ms) in self._approved.items():
            around = (place, *islice(place.near(), 0, None, 7))
            forgotten += any(answer(device, cell, record_ms) != "Approved" for cell in around)
            chance = Chance(_code(device))
            for _ in range(_PROBES):
                looks += 1
                false += answer(device, _elsewhere(chance), record_ms) == "Approved"
        rate = false / looks
        broken = ""
        if forgotten:
            broken = f"{forgotten:,} of {len(self._approved):,} places that were approved are not"
        elif beyond_chance(rate, self._bound, looks):
            broken = "too many places are approved that never were"
        return Finding(
            sketch=name,
            what=f"false places approved, {len(self._approved):,} devices",
            exact=0.0,
            estimate=rate,
            error=rate,
            bound=self._bound,
            broken=broken,
        )


def _code(device: bytes) -> int:
    return int(mmh3.hash(device, _SEED, signed=False))


def _elsewhere(chance: Chance) -> Cell:
    """A place that no device is at: higher than aeroplanes fly."""
    latitude_deg, longitude_deg = chance.uniform() * 180 - 90, chance.uniform() * 360 - 180
    return Cell.of(latitude_deg, longitude_deg, 20_000 + chance.uniform() * 20_000)
