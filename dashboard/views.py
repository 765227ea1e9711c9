"""What each role sees of the board. What a role must not see is not sent: nothing is hidden in a browser.

Nobody sees a name, a token, or of a card more than its last four digits. The fraud desk sees exact places and
paths. An analyst sees how many devices are in a cell of some kilometres, and of a flagged transaction its
cell, its minute, a range of its amount and other names for device and transaction.
"""

import hmac
from bisect import bisect_right
from collections import Counter
from typing import Any, Final, Literal, Protocol

import msgspec

from dashboard.board import Board, Flag, FlagKey
from dashboard.evidence import drawn, told
from dashboard.grid import Cell, Grid
from dashboard.track import Fix

Role = Literal["desk", "analyst"]
ROLES: Final[tuple[Role, ...]] = ("desk", "analyst")

_TRAIL: Final = 20
_MINUTE_MS: Final = 60_000
_AMOUNTS: Final = (0, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_ALIAS_CHARACTERS: Final = 10

_decode_key = msgspec.json.Decoder(FlagKey).decode


class View(Protocol):
    """What a role sees; every method returns what can be written as JSON."""

    def places(self, board: Board, since: int) -> dict[str, Any]:
        """Where devices are, as far as it changed after the change `since`."""

    def flagged(self, flag: Flag) -> dict[str, Any]:
        """A line of the list."""

    def evidence(self, board: Board, name: str) -> dict[str, Any] | None:
        """Why the transaction with this `id` of the list was flagged; None: there is no such line."""

    def track(self, board: Board, device_id: str) -> dict[str, Any] | None:
        """All fixes of a device; None: none that this role may see."""


class DeskView:
    """Exact places and paths."""

    def places(self, board: Board, since: int) -> dict[str, Any]:
        """The fixes that came of each device, of the latest few."""
        return {
            "devices": [
                [device_id, [_row(fix) for fix in track.last(_TRAIL, since=since)]]
                for device_id, track in board.tracks_since(since)
            ]
        }

    def flagged(self, flag: Flag) -> dict[str, Any]:
        """With place and figures; its evidence is asked for apart."""
        line = flag.line
        return _common(flag) | {
            "id": _id_of(flag),
            "transaction": line.transaction_id,
            "device": line.device_id,
            "time": int(line.transaction_time.timestamp() * 1000),
            "heard": flag.heard_ms,
            "amount": f"{line.amount:,.2f}",
            "merchant": line.merchant,
            "card": line.card_last4,
            "place": [line.latitude_deg, line.longitude_deg],
            "distance_m": line.distance_m,
            "elapsed_s": line.elapsed_s,
            "possible_m": line.possible_m,
        }

    def evidence(self, board: Board, name: str) -> dict[str, Any] | None:
        """In words, in figures and drawn."""
        try:
            flag = board.flag(_decode_key(name))
        except msgspec.DecodeError:
            return None
        if flag is None:
            return None
        track = board.track(flag.line.device_id)
        return {"id": name, **told(flag.line), **drawn(flag.line, track.all() if track else ())}

    def track(self, board: Board, device_id: str) -> dict[str, Any] | None:
        """Time, place, speed and altitude of every fix that is held."""
        track = board.track(device_id)
        return None if track is None else {"device": device_id, "fixes": [_row(fix) for fix in track.all()]}


class AnalystView:
    """Cells, minutes and ranges."""

    def __init__(self, grid: Grid, alias_key: bytes) -> None:
        self._grid = grid
        self._alias_key = alias_key

    def places(self, board: Board, since: int) -> dict[str, Any]:
        """How many devices are in each cell, if any has moved."""
        if next(board.tracks_since(since), None) is None:
            return {}
        cells: Counter[Cell] = Counter()
        for _, track in board.tracks():
            fix = track.latest()
            cells[self._grid.cell_of(fix.latitude_deg, fix.longitude_deg)] += 1
        return {"cells": [[*cell, devices] for cell, devices in sorted(cells.items())]}

    def flagged(self, flag: Flag) -> dict[str, Any]:
        """Without merchant and card."""
        line = flag.line
        moment_ms = int(line.transaction_time.timestamp() * 1000)
        return _common(flag) | {
            "id": self._alias(_id_of(flag)),
            "transaction": None,
            "device": self._alias(line.device_id),
            "time": moment_ms - moment_ms % _MINUTE_MS,
            "heard": flag.heard_ms - flag.heard_ms % _MINUTE_MS,
            "amount": _amount_range(line.amount),
            "merchant": None,
            "card": None,
            "cell": self._grid.cell_of(line.latitude_deg, line.longitude_deg),
        }

    def evidence(self, board: Board, name: str) -> dict[str, Any] | None:
        """In words, with the cell."""
        if not name.isascii():  # no alias is
            return None
        for flag in board.flags_since(-1):
            if hmac.compare_digest(self._alias(_id_of(flag)), name):
                cell = self._grid.cell_of(flag.line.latitude_deg, flag.line.longitude_deg)
                return {"id": name, **told(flag.line), "cell": cell}
        return None

    def track(self, board: Board, device_id: str) -> dict[str, Any] | None:  # noqa: ARG002 (as all views)
        """Nothing: a path is exact."""
        return None

    def _alias(self, name: str) -> str:
        return hmac.digest(self._alias_key, name.encode(), "sha256").hex()[:_ALIAS_CHARACTERS]


def _common(flag: Flag) -> dict[str, Any]:
    """What every role may know."""
    line = flag.line
    return {
        "number": flag.number,
        "event": line.event,
        "stage": line.stage,
        "reasons": line.reasons,
        "category": line.merchant_category,
        "implied_mps": _two_digits(line.implied_speed_mps),
        "allowed_mps": _two_digits(line.allowed_speed_mps),
    }


def _id_of(flag: Flag) -> str:
    """One text of device and transaction, whatever characters are in them."""
    return msgspec.json.encode(flag.key).decode()


def _row(fix: Fix) -> list[float | None]:
    return [
        fix.time_ms,
        round(fix.latitude_deg, 6),
        round(fix.longitude_deg, 6),
        None if fix.speed_mps is None else round(fix.speed_mps, 2),
        None if fix.altitude_m is None else round(fix.altitude_m, 1),
    ]


def _two_digits(amount: float | None) -> float | None:
    return None if amount is None else float(f"{amount:.2g}")


def _amount_range(amount: float) -> str:
    """20 to 50; the last range is open."""
    at = bisect_right(_AMOUNTS, amount)
    if at == 0:
        return "below 0"
    return f"{_AMOUNTS[-1]:,} or more" if at == len(_AMOUNTS) else f"{_AMOUNTS[at - 1]:,} to {_AMOUNTS[at]:,}"
