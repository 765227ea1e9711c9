"""Texts that sketches keep, of bounded length."""

from typing import Final

import mmh3

MAX_ITEM_CHARS: Final = 64
MAX_ITEM_BYTES: Final = 4 * MAX_ITEM_CHARS  # UTF-8
_DIGEST_CHARS: Final = 32
_SEED: Final = 0x5B5


def short(item: str) -> str:
    """A text of at most MAX_ITEM_CHARS characters: of a longer one the beginning, and a hash of the whole."""
    if len(item) <= MAX_ITEM_CHARS:
        return item
    digest = mmh3.hash128(item.encode("utf-8", "surrogatepass"), seed=_SEED, signed=False)
    return f"{item[: MAX_ITEM_CHARS - _DIGEST_CHARS]}{digest:0{_DIGEST_CHARS}x}"
