"""Stream time that one device cannot move, and keys that cannot be confused."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detection.docket import StreamTime, case_key, device_of


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(1, 100)), min_size=1))
def test_stream_time_is_the_second_best_of_the_devices_latest_times(records: list[tuple[bytes, int]]) -> None:
    """Of the only device where there is one."""
    time, latest = StreamTime(), dict.fromkeys([b"a", b"b", b"c"], 0)
    for device, ms in records:
        time.observe(device, ms)
        latest[device] = max(latest[device], ms)
    best, second, _ = sorted(latest.values(), reverse=True)
    assert time.ms == (second or best)


def test_stream_time_never_goes_back() -> None:
    """Once there are two devices."""
    chance, time = random.Random(5), StreamTime()
    time.observe(b"0", 1)
    time.observe(b"1", 1)
    before_ms = time.ms
    for _ in range(1000):
        time.observe(str(chance.randrange(4)).encode(), chance.randrange(10_000))
        assert time.ms >= before_ms
        before_ms = time.ms


@pytest.mark.parametrize("device", ["phone", "d" * 256, "ü\0x"])
def test_the_key_of_a_case_tells_its_device(device: str) -> None:
    """Whatever stands in the ids."""
    key = case_key(device.encode(), "\0t")
    assert device_of(key) == device.encode()
    assert key != case_key((device + "\0").encode(), "t")
