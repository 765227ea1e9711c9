"""A key lies in the partition where every other Kafka client looks for it."""

import pytest
from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streaming.partitions import partition_of, strays
from streaming.repartition import origin_headers
from tests.messages import record


@pytest.mark.parametrize(
    ("key", "murmur2"),
    [
        # org.apache.kafka.common.utils.UtilsTest.testMurmur2
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
@pytest.mark.parametrize("partitions", [1, 4, 7, 2**31])
def test_the_partition_is_that_of_kafkas_own_partitioner(key: bytes, murmur2: int, partitions: int) -> None:
    """toPositive(murmur2(key)) % partitions, where toPositive clears the sign bit."""
    assert partition_of(key, partitions) == (murmur2 & 0x7FFFFFFF) % partitions


@given(st.sets(st.binary(max_size=50)), st.integers(1, 1000))
def test_many_keys_at_once_have_the_partitions_that_each_has_alone(keys: set[bytes], partitions: int) -> None:
    """Of any lengths: the oracle is aiokafka's murmur2, key by key."""
    for partition in {0, *(partition_of(key, partitions) for key in keys)}:
        elsewhere = {key for key in keys if partition_of(key, partitions) != partition}
        assert strays(keys, partition, partitions) == elsewhere


def test_strays_are_the_keys_that_belong_to_another_partition() -> None:
    """A producer with another partitioner; murmur2(b"abc") is 479470107 (above), and that % 4 is 3."""
    assert strays([b"abc"], partition=3, partition_count=4) == set()
    assert strays([b"abc"], partition=2, partition_count=4) == {b"abc"}


def test_a_forwarded_record_says_where_it_came_from() -> None:
    """As text, for any Kafka tool."""
    assert dict(origin_headers(TP("transaction_data", 3), record(offset=42))) == {
        "source_topic": b"transaction_data",
        "source_partition": b"3",
        "source_offset": b"42",
    }
