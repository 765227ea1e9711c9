"""Which partition a key belongs to: Kafka's default partitioner, so that every client agrees."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from struct import pack, unpack

from aiokafka.partitioner import murmur2

_TO_POSITIVE = 0x7FFFFFFF
_SEED = 0x9747B28C
_M = 0x5BD1E995
_WORD = 0xFFFFFFFF
_REMEMBERED_KEYS = 65_536


def partition_of(key: bytes, partition_count: int) -> int:
    """The partition of `key` (murmur2, as org.apache.kafka's BuiltInPartitioner)."""
    return (int(murmur2(key)) & _TO_POSITIVE) % partition_count


def remembering_partitioner() -> Callable[[bytes, int], int]:
    """Return a `partition_of` that remembers the last 65,536 keys.

    For whoever sends record by record: murmur2 in Python takes longer than all the rest of that together.
    """
    return lru_cache(maxsize=_REMEMBERED_KEYS)(partition_of)


def strays(keys: Iterable[bytes], partition: int, partition_count: int) -> set[bytes]:
    """Those of `keys`, found in `partition`, that belong to another one."""
    return {
        key
        for _, same_length in groupby(sorted(keys, key=len), key=len)
        for key, hashed in _hashed(list(same_length))
        if (hashed & _TO_POSITIVE) % partition_count != partition
    }


def _hashed(keys: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Pair keys of one length with their murmur2 (Kafka's seed), all computed at once.

    The 32 bits of each key lie in a lane of 64 in one large integer: products of two 32-bit numbers fit, so
    that lanes do not mix. Key by key, aiokafka's murmur2 in Python took a tenth of the time of a worker that
    meets new devices; this takes a tenth of that.
    """
    count, length = len(keys), len(keys[0])
    words_of_key = -(-length // 4)
    padded = b"".join(key.ljust(4 * words_of_key, b"\0") for key in keys)
    words = unpack(f"<{count * words_of_key}I", padded)
    lanes = [
        int.from_bytes(pack(f"<{count}Q", *words[i::words_of_key]), "little") for i in range(words_of_key)
    ]
    ones = int.from_bytes(pack("<Q", 1) * count, "little")
    mask = ones * _WORD
    h = ones * (_SEED ^ length)
    for lane in lanes[: length // 4]:
        k = lane * _M & mask
        k = (k ^ k >> 24 & mask) * _M & mask
        h = h * _M & mask ^ k
    for lane in lanes[length // 4 :]:  # the last one to three bytes
        h = (h ^ lane) * _M & mask
    h = (h ^ h >> 13 & mask) * _M & mask
    h ^= h >> 15 & mask
    return zip(keys, unpack(f"<{count}Q", h.to_bytes(8 * count, "little")), strict=True)
