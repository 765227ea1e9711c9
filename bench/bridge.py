"""Messages/s from devices through an MQTT broker (QoS 1, mutual TLS) into Kafka, and how many are lost."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from app.settings import Settings
from bench.contest import Contestant, Options, take_turns
from bench.load import LOCATIONS, device_id
from bench.meter import cpu_s
from bench.mqtt_floor import COUNTED
from bench.report import Section, ratio, spread
from bench.site import Site, site
from bench.worker import Worker, environment, fresh_app_id, running
from tests.mosquitto import BRIDGE, DEVICES, Mosquitto, Publisher

_BRIDGE, _FLOOR = "bridge", "floor: taken and acknowledged, no Kafka"
_POLL_S = 0.02
_TIMEOUT_S = 300.0


class _Number(msgspec.Struct):
    """What tells one message from another."""

    number: int = msgspec.field(name="MessageId")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """From the first publish until the last message has arrived."""

    messages: int
    elapsed_s: float
    cpu_s: float
    lost: str

    @property
    def messages_per_s(self) -> float:
        """By the clock on the wall."""
        return self.messages / self.elapsed_s

    @property
    def cpu_us_per_message(self) -> float:
        """Of the process, all of its threads."""
        return self.cpu_s / self.messages * 1e6

    def __str__(self) -> str:
        return (
            f"{self.messages_per_s:,.0f} messages/s, {self.cpu_us_per_message:.1f} µs CPU each, {self.lost}"
        )


def measure(options: Options) -> Section:
    """Run the benchmark."""
    with site() as where:
        where.create_detector_topics(Settings.from_env(environment(where, fresh_app_id("bridge"), "memory")))
        contestants = [
            Contestant(name=_FLOOR, run=partial(_run_floor, where, options)),
            Contestant(name=_BRIDGE, run=partial(_run_bridge, where, options)),
        ]
        outcomes = take_turns(contestants, options, warm_up=True)
    return Section(
        name="bridge",
        command=f"python -m bench bridge --events {options.events} --devices {options.devices}"
        f" --runs {options.runs}",
        head=("contestant", "messages/s", "CPU µs/message", "lost"),
        rows=[
            [
                name,
                spread([run.messages_per_s for run in runs]),
                spread([run.cpu_us_per_message for run in runs], "{:.1f}"),
                "; ".join(dict.fromkeys(run.lost for run in runs)),
            ]
            for name, runs in outcomes.items()
        ],
        remarks=[
            "mosquitto and one publisher, which waits for nothing but 1,000 PUBACKs, run on the same cores.",
            *_ratios(outcomes),
        ],
    )


def _run_floor(where: Site, options: Options) -> Run:
    command = (sys.executable, "-m", "bench.mqtt_floor", str(options.events))

    def arrived(floor: Worker) -> bool:
        return COUNTED in floor.log

    run, _ = _run(where, options, command, arrived)
    return run


def _run_bridge(where: Site, options: Options) -> Run:
    starts = where.ends(LOCATIONS)
    end = sum(tp.offset for tp in starts) + options.events

    def arrived(_: Worker) -> bool:
        return bool(sum(tp.offset for tp in where.ends(LOCATIONS)) >= end)

    command = (sys.executable, "-m", "app", "bridge")
    run, acknowledged = _run(where, options, command, arrived)
    decode = msgspec.json.Decoder(_Number).decode
    missing = acknowledged - {decode(value).number for value in where.values_since(starts)}
    lost = f"{len(missing):,} of {len(acknowledged):,}"
    return replace(run, lost=lost)


def _run(
    where: Site,
    options: Options,
    command: Sequence[str],
    arrived: Callable[[Worker], bool],
) -> tuple[Run, set[int]]:
    """Let a process take so many messages; return also the numbers of those that the broker acknowledged."""
    with TemporaryDirectory() as folder, Mosquitto(Path(folder)) as broker:
        env = environment(where, "bridge", "memory", iot_web_port="0") | broker.settings(BRIDGE)
        with (
            running(command, env, where, "bridge") as process,
            Publisher(broker.connection(DEVICES, DEVICES)) as publisher,
        ):
            process.wait_for("subscribed to")
            start_s, start_cpu_s = time.monotonic(), cpu_s(process.process.pid)
            for number in range(options.events):
                publisher.publish(*_message(number, device_id(number % options.devices)))
            publisher.finish()
            while not arrived(process):
                process.check()
                if time.monotonic() - start_s > _TIMEOUT_S:
                    raise RuntimeError(f"messages are missing after {_TIMEOUT_S:g} s: {process.log[-2000:]}")
                time.sleep(_POLL_S)
            elapsed_s = time.monotonic() - start_s
            used_s = cpu_s(process.process.pid) - start_cpu_s
            acknowledged = set(publisher.acknowledged)
    run = Run(messages=options.events, elapsed_s=elapsed_s, cpu_s=used_s, lost="not asked")
    return run, acknowledged


def _message(number: int, device: str) -> tuple[str, bytes]:
    """A topic and a report as a phone sends it."""
    value = {
        "Time": "2026-01-01 00:00:00",
        "Speed": 1.5,
        "Altitude": 30.0,
        "Longitude": -121.8951299,
        "Latitude": 37.3358161,
        "DeviceId": device,
        "MessageId": number,
        "SessionId": "5bd86d40-fc89-1b4a-6a50-df4db4d66a3a",
        "HorizontalAccuracy": 5.0,
        "Bearing": 0,
    }
    return f"devices/{device}/location", msgspec.json.encode(value)


def _ratios(outcomes: dict[str, list[Run]]) -> list[str]:
    if not {_BRIDGE, _FLOOR} <= outcomes.keys():
        return []
    ours, floor = outcomes[_BRIDGE], outcomes[_FLOOR]
    speed = ratio([r.messages_per_s for r in ours], [r.messages_per_s for r in floor])
    cpu = ratio([r.cpu_us_per_message for r in ours], [r.cpu_us_per_message for r in floor])
    return [f"The bridge: {speed} times the messages/s of the floor at {cpu} times its CPU per message."]
