"""Values that no producer should send, and some do."""

import re
from collections.abc import Callable
from random import Random

_INSTEAD = ("", "{", "[]", "null", "\0", '"text"', "42", "\udcff\udcfe")  # the last: bytes that are no UTF-8
_SPOIL: tuple[Callable[[str], str], ...] = (
    lambda value: value[: len(value) // 2],
    lambda value: value.replace('"DeviceId"', '"Device"').replace('"Device ID"', '"Device"'),
    lambda value: re.sub(
        r'Latitude":(?=[-\d])', 'Latitude":99', value.replace('Latitude":"', 'Latitude":"N')
    ),
    lambda value: value.replace('"Time":"', '"Time":"on ').replace('"Timestamp":"', '"Timestamp":"on '),
)


def malformed_value(rng: Random, value: str) -> str:
    """A value that no reader takes for a location or a transaction: cut, without an id, out of range, …

    `value` is a good one, made by `phones` or `purchases` in the city.
    """
    if rng.random() < 0.5:
        return rng.choice(_INSTEAD)
    return rng.choice(_SPOIL)(value)
