"""Which partition a key belongs to: Kafka's default partitioner, so that every client agrees."""

from functools import lru_cache

from aiokafka.partitioner import murmur2

_CACHED_KEYS = 65_536  # aiokafka's murmur2 is Python: some 5 µs a key; a look-up is 0.1 µs


@lru_cache(maxsize=_CACHED_KEYS)
def _positive_hash(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


def partition_of(key: bytes, partition_count: int) -> int:
    """The partition of `key` (murmur2, as org.apache.kafka's BuiltInPartitioner)."""
    return _positive_hash(key) % partition_count
