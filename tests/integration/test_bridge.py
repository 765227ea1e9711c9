"""The bridge between a real MQTT broker and a real Kafka, as a user starts it."""

import json
import os
import re
import socket
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path
from unittest.mock import ANY

import pytest
from cryptography.fernet import Fernet

from privacy.field_encryption import FieldCipher
from tests.bridge import BridgeProcess, bridge
from tests.integration.commands import run
from tests.messages import location_message
from tests.mosquitto import BRIDGE, DEVICE, DEVICES, Mosquitto, Publisher
from tests.pages import Pages
from tests.pipeline import Pipeline, wait_until
from tests.promtool import problems_of

pytestmark = pytest.mark.kafka

GONE_S = 30.0


def report(device_id: str, number: int = 0) -> bytes:
    """A location, told from others by its number."""
    return json.dumps(location_message(DeviceId=device_id, MessageId=number)).encode()


def get(url: str) -> tuple[int, str]:
    """Status and body of a page; status 0 where there is none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 (our own address)
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()
    except OSError:
        return 0, ""


def settings_of(mosquitto: Mosquitto, pipeline: Pipeline, name: str = BRIDGE, **more: str) -> dict[str, str]:
    """Settings of a bridge between the two."""
    changed = {f"SMARTBANK_{key.upper()}": value for key, value in more.items()}
    return {**pipeline.own_env, **mosquitto.settings(name), "SMARTBANK_IOT_WEB_PORT": "0", **changed}


def test_locations_arrive_and_what_is_wrong_becomes_a_dead_letter(
    mosquitto: Mosquitto, pipeline: Pipeline, tmp_path: Path
) -> None:
    """Each once in an undisturbed run, plain or encrypted, at QoS 1 and 0; nothing wrong comes back."""
    new, old, retired = (Fernet.generate_key() for _ in range(3))
    keys_file = tmp_path / "fields.key"
    keys_file.write_bytes(b"# newest first\n" + new + b"\n" + old + b"\n")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    env = settings_of(
        mosquitto, pipeline, iot_field_keys_file=str(keys_file), iot_web_port=str(port), web_host="127.0.0.1"
    )
    with bridge(env, tmp_path) as running:
        with Publisher(mosquitto.connection(DEVICES, "devices")) as publisher:
            for number in range(100):
                publisher.publish(
                    f"devices/phone-{number % 7}/location", report(f"phone-{number % 7}", number)
                )
            for key in (new, old, retired):
                message = FieldCipher([key]).sealed(
                    location_message(DeviceId="laptop", MessageId=key.decode()[:8]),
                    {"Latitude", "Longitude"},
                    {"DeviceId", "Time"},
                )
                publisher.publish("devices/laptop/location", json.dumps(message).encode())
            publisher.publish("devices/phone-1/location", b"\xff{")
            publisher.publish("devices/phone-1/location", report("phone-2"))
            publisher.publish("devices/quick/location", report("quick"), qos=0)
            publisher.finish()
        wait_until(lambda: pipeline.count(pipeline.topics.location_data) >= 103, GONE_S, "locations")
        wait_until(lambda: pipeline.count(pipeline.topics.dead_letters) >= 3, GONE_S, "dead letters")
        assert Pages(port).health("/livez")["ok"]
        assert Pages(port).health() == {
            "ok": True,
            "checks": [
                ANY,
                {"name": "subscription", "ok": True, "state": "subscribed"},
                {"name": "kafka", "ok": True, "state": "answers"},
            ],
        }
        metrics = get(f"http://127.0.0.1:{port}/metrics")[1]
        assert 'smartbank_iot_messages_total{topic="location_data"} 103.0' in metrics
        assert 'smartbank_dead_letters_total{reason="wrong_device",topic="mqtt"} 1.0' in metrics
        assert problems_of(metrics.encode()) == ""
        assert running.terminate() == 0
    records = pipeline.records(pipeline.topics.location_data)
    assert len(records) == 103
    by_device = Counter(record.key for record in records)
    assert by_device[b"laptop"] == 2
    assert by_device[b"quick"] == 1
    assert all(json.loads(record.value)["Latitude"] == location_message()["Latitude"] for record in records)
    assert pipeline.dead_letter_reasons() == {"undecryptable": 1, "malformed": 1, "wrong_device": 1}
    with bridge(env, tmp_path) as running:
        assert "session resumed" in running.log
        assert running.terminate() == 0
    assert pipeline.count(pipeline.topics.dead_letters) == 3


def test_what_is_published_while_the_bridge_is_away_waits_for_it(
    mosquitto: Mosquitto, pipeline: Pipeline, tmp_path: Path
) -> None:
    """Its session lives on in the broker, through the broker's own restart."""
    env = settings_of(mosquitto, pipeline)
    with bridge(env, tmp_path) as running:
        assert running.terminate() == 0
    with Publisher(mosquitto.connection(DEVICES, "devices")) as publisher:
        for number in range(500):
            publisher.publish("devices/phone/location", report("phone", number))
        publisher.finish()
        assert len(publisher.acknowledged) == 500
    mosquitto.stop()
    mosquitto.start()
    with bridge(env, tmp_path):
        wait_until(lambda: pipeline.count(pipeline.topics.location_data) >= 500, GONE_S, "locations")
    numbers = [json.loads(r.value)["MessageId"] for r in pipeline.records(pipeline.topics.location_data)]
    assert sorted(set(numbers)) == list(range(500))


def test_simulated_sensors_publish_and_the_bridge_brings_it_to_kafka(
    mosquitto: Mosquitto, pipeline: Pipeline, tmp_path: Path
) -> None:
    """Encrypted, with made-up readings; what the simulator spoils on purpose becomes dead letters."""
    keys_file = tmp_path / "fields.key"
    keys_file.write_bytes(Fernet.generate_key())
    keys = {"iot_field_keys_file": str(keys_file)}
    required = settings_of(mosquitto, pipeline, iot_encryption="required", **keys)
    sensors = {**os.environ, **settings_of(mosquitto, pipeline, DEVICES, **keys)}
    with bridge(required, tmp_path) as running:
        options = ("--seconds", "2", "--rate", "5", "--seed", "3", "--fake-share", "0.5", "--noise-m", "5")
        done = run(sensors, "simulate", "--source", "mqtt", "--encrypt", *options)
        assert done.returncode == 0, done.stderr
        published, made_up, to_kafka = (
            int(re.search(rf"([\d,]+) {what}", done.stdout)[1].replace(",", ""))  # type: ignore[index]
            for what in ("accepted", "of them made up", "others to Kafka")
        )
        wait_until(lambda: arrived(pipeline) >= published, GONE_S, "all that was published")
        assert running.terminate() == 0
    assert made_up > 0
    assert published > 2 * made_up
    assert arrived(pipeline) == published
    assert pipeline.count(pipeline.topics.transaction_data) == to_kafka > 0
    assert set(pipeline.dead_letter_reasons()) <= {"malformed", "not_encrypted", "undecryptable"}
    records = pipeline.records(pipeline.topics.location_data)
    assert all(json.loads(record.value)["DeviceId"].encode() == record.key for record in records)
    assert len(records) > published / 2


def arrived(pipeline: Pipeline) -> int:
    """Records that came out of the bridge."""
    return pipeline.count(pipeline.topics.location_data) + pipeline.count(pipeline.topics.dead_letters)


def test_bridges_share_a_load(mosquitto: Mosquitto, pipeline: Pipeline, tmp_path: Path) -> None:
    """Each message goes to one of them, not to both."""
    topic = pipeline.topics.location_data
    env = settings_of(mosquitto, pipeline, iot_topic_filter="$share/bridges/devices/+/location")
    with (
        bridge({**env, "SMARTBANK_IOT_CLIENT_ID": f"{BRIDGE}-1"}, tmp_path) as one,
        bridge({**env, "SMARTBANK_IOT_CLIENT_ID": f"{BRIDGE}-2"}, tmp_path) as other,
        Publisher(mosquitto.connection(DEVICES, DEVICES)) as publisher,
    ):
        for number in range(100):
            publisher.publish("devices/phone/location", report("phone", number))
        publisher.finish()
        wait_until(lambda: pipeline.count(topic) >= 100, GONE_S, "all of them")
        assert one.terminate() == other.terminate() == 0
    numbers = [json.loads(r.value)["MessageId"] for r in pipeline.records(topic)]
    assert sorted(numbers) == list(range(100))


def test_what_cannot_work_ends_with_a_line_that_says_what_to_do(mosquitto: Mosquitto, tmp_path: Path) -> None:
    """And exit status 1, before anything is connected."""
    env = {**mosquitto.settings(BRIDGE), "SMARTBANK_IOT_KEY_FILE": __file__}
    refused = BridgeProcess(env, tmp_path / "log")
    assert refused.process.wait(60) == 1
    assert "wanted PEM files that fit" in refused.log
    assert "Traceback" not in refused.log


def test_a_device_publishes_under_its_own_name_only(mosquitto: Mosquitto) -> None:
    """By the ACL in deploy/mosquitto/, as by the policy in deploy/aws/."""
    with Publisher(mosquitto.connection(DEVICE, DEVICE)) as publisher:
        for topic in (f"devices/{DEVICE}/location", "devices/laptop-2/location", f"devices/{DEVICE}/other"):
            publisher.publish(topic, report(DEVICE))
        publisher.finish()
    assert publisher.acknowledged == [0]
