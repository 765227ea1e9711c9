"""Locality-sensitive hashing of sets of words: which of those seen before are probably alike?"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Generic, TypeVar

import mmh3
import numpy as np
from datasketch import MinHash

THRESHOLD: Final = 0.5
PERMUTATIONS: Final = 128
BANDS, ROWS = 25, 5  # what datasketch finds best for these, with numerical integration that takes 80 ms
_SEED: Final = 1
_SCHEME: Final = "affine32"
_MOST_WORDS: Final = 4_096
_hash32 = partial(mmh3.hash, seed=_SEED, signed=False)
_FACTORS, _TERMS = MinHash(PERMUTATIONS, seed=_SEED, hashfunc=_hash32, scheme=_SCHEME).permutations

K = TypeVar("K")


class Lsh(Generic[K]):
    """Keys by the bands of their MinHash (Broder 1997; Indyk and Motwani 1998): equal in one, they are found.

    MinHash is datasketch's, its permutations at least. The bands are in dicts here: datasketch's tables, made
    for any storage, took more time than all other sketches together.
    """

    def __init__(self) -> None:
        # A key that is alone in a band, as most are, by its number: a set would take eight times the memory.
        self._tables: list[dict[bytes, int | set[int]]] = [{} for _ in range(BANDS)]
        self._added = 0
        self._keys: dict[int, K] = {}  # by a number: numbers are hashed in no time
        self._numbers: dict[K, tuple[int, Sequence[bytes]]] = {}
        self._permuted: dict[bytes, Any] = {}

    def add(self, key: K, words: Sequence[bytes]) -> list[K]:
        """Put a key in; return those that were there and are probably like it."""
        number, bands, found = self._added, self._bands_of(words), set[int]()
        for table, band in zip(self._tables, bands, strict=True):
            there = table.setdefault(band, number)
            if there is number:
                continue
            if isinstance(there, int):
                there = table[band] = {there}
            found |= there
            there.add(number)
        like = [self._keys[each] for each in sorted(found)]
        self._keys[number], self._numbers[key] = key, (number, bands)
        self._added += 1
        return like

    def remove(self, key: K) -> None:
        """Take a key out again."""
        number, bands = self._numbers.pop(key)
        del self._keys[number]
        for table, band in zip(self._tables, bands, strict=True):
            there = table[band]
            if isinstance(there, set):
                there.remove(number)
            if not isinstance(there, set) or not there:
                del table[band]

    def _bands_of(self, words: Sequence[bytes]) -> Sequence[bytes]:
        """The MinHash of a set, the least of its words' in each place, cut into bands."""
        least = self._permuted_of(words[0])
        for word in words[1:]:
            least = np.minimum(least, self._permuted_of(word))
        code = least[: BANDS * ROWS].tobytes()
        size = len(code) // BANDS
        return [code[at : at + size] for at in range(0, len(code), size)]

    def _permuted_of(self, word: bytes) -> Any:
        """The MinHash of one word; remembered, because most words come again."""
        permuted = self._permuted.get(word)
        if permuted is None:
            if len(self._permuted) >= _MOST_WORDS:
                self._permuted.clear()
            permuted = self._permuted[word] = minhash_of(word)
        return permuted


def minhash_of(word: bytes) -> Any:
    """The MinHash of a set of one word, as datasketch computes it, in a quarter of its time.

    A word's hash, mixed by MurmurHash3's finalizer, under 128 affine functions modulo 2^32.
    """
    mixed = _hash32(word)
    mixed = (mixed ^ mixed >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return _FACTORS * np.uint32(mixed ^ mixed >> 16) + _TERMS
