"""What the plots have in common: colours that colour-blind people tell apart (Okabe and Ito, 2008)."""

from collections.abc import Mapping
from typing import Final

from app.explaining.finding import Role

COLOURS: Final[Mapping[Role, str]] = {
    "other": "#888888",
    "used": "#56b4e9",
    "refused": "#e69f00",
    "decisive": "#0072b2",
}
"""By role, in the order of drawing: the decisive fix lies on top."""

TRANSACTION_COLOUR: Final = "#d55e00"
REACH_COLOUR: Final = "#009e73"
TRACK_COLOUR: Final = "#bbbbbb"
