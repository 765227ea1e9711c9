"""Which MQTT topics are read, and where in them the device's id stands."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

_SHARED: Final = "$share/"


class UnexpectedTopicError(ValueError):
    """A topic does not match the filter that was subscribed to."""


@dataclass(frozen=True, kw_only=True)
class TopicFilter:
    """An MQTT topic filter (MQTT 5, 4.7); its first + is the level that holds the device id.

    A shared subscription, $share/GROUP/FILTER (4.8.2), matches as FILTER does: then several bridges share
    the load. Raises ValueError for a filter that is none.
    """

    text: str

    def __post_init__(self) -> None:
        levels = self._levels
        is_well_formed = (
            all(level in ("+", "#") or not set(level) & set("+#\0") for level in levels)
            and "#" not in levels[:-1]
        )
        has_group = not self.text.startswith(_SHARED) or len(self.text.split("/")) > 2
        if not self.text or not is_well_formed or not has_group:
            raise ValueError("not an MQTT topic filter, such as devices/+/location")

    @cached_property
    def _levels(self) -> list[str]:
        levels = self.text.split("/")
        return levels[2:] if self.text.startswith(_SHARED) else levels

    def device_of(self, topic: str) -> str | None:
        """The device id in `topic`; None where the filter has no +. Raises UnexpectedTopicError."""
        wanted, levels = self._levels, topic.split("/")
        is_open = wanted[-1] == "#"
        fixed = wanted[:-1] if is_open else wanted
        if len(levels) < len(fixed) or (len(levels) > len(fixed) and not is_open):
            raise UnexpectedTopicError("the topic has not as many levels as the filter")
        for expected, level in zip(fixed, levels, strict=False):
            if expected not in ("+", level):
                raise UnexpectedTopicError("the topic does not match the filter")
        return levels[fixed.index("+")] if "+" in fixed else None

    def topic_of(self, device_id: str) -> str:
        """The topic of a device's messages. Raises ValueError where the filter does not say it."""
        wanted = self._levels
        if wanted.count("+") != 1 or wanted[-1] == "#" or set(device_id) & set("/+#\0"):
            raise ValueError(
                "wanted a filter with one + and no #, and a device id that is one level of a topic"
            )
        return "/".join(device_id if level == "+" else level for level in wanted)
