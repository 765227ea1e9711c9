"""A real MQTT broker, Debian's mosquitto, with mutual TLS and rights by certificate, and a publisher."""

import os
import shutil
import signal
import socket
import subprocess
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Self

import trustme
from awscrt import mqtt5

from app.settings import PROJECT_DIR
from sources.iot.mqtt import IotConnection, mqtt_client
from tests.pipeline import wait_until

BRIDGE, DEVICES = "smart-bank-bridge", "smart-bank-sensors"  # common names of certificates
DEVICE = "laptop-1"

_START_TIMEOUT_S = 15.0
_STOP_TIMEOUT_S = 15.0
_LOWEST_FAILURE = 0x80  # MQTT 5, 3.4.2.1
_DEPLOYED = PROJECT_DIR / "deploy" / "mosquitto"


def find_mosquitto() -> str | None:
    """The broker's program; Debian has it where not everybody looks."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


class Mosquitto:
    """A broker on a free port of its own; leave it with `with`."""

    def __init__(self, folder: Path) -> None:
        program = find_mosquitto()
        if program is None:
            raise FileNotFoundError("no mosquitto: apt-get install mosquitto")
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        (folder / "data").mkdir()
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(folder / "ca.pem"))
        for name in ("broker", BRIDGE, DEVICES, DEVICE):
            issued = authority.issue_cert("localhost", "127.0.0.1", common_name=name)
            issued.private_key_pem.write_to_path(str(folder / f"{name}.key"))
            issued.cert_chain_pems[0].write_to_path(str(folder / f"{name}.crt"))
        (folder / "mosquitto.conf").write_text(self._config())
        self._command = [program, "-c", str(folder / "mosquitto.conf")]
        self._process: subprocess.Popen[bytes] | None = None

    def _config(self) -> str:
        """What deploy/mosquitto/ says, with our paths and port."""
        text = (_DEPLOYED / "mosquitto.conf").read_text()
        ours = {
            "listener 8883": f"listener {self.port} 127.0.0.1",
            "/mosquitto/certs/": f"{self.folder}/",
            "/mosquitto/config/": f"{_DEPLOYED}/",
            "/mosquitto/data/": f"{self.folder}/data/",
        }
        for theirs, our in ours.items():
            assert theirs in text
            text = text.replace(theirs, our)
        # As root it would otherwise become a user who may not write to the folder.
        return text + ("user root\n" if os.geteuid() == 0 else "")

    def start(self) -> Self:
        """Start it, with what it kept; return when it listens."""
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        wait_until(self._listens, _START_TIMEOUT_S, "mosquitto listens")
        return self

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """SIGTERM: it writes down what it holds. (On kill -9 it would forget what it has acknowledged.)"""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(_STOP_TIMEOUT_S)
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def settings(self, name: str) -> dict[str, str]:
        """Settings of a client with that certificate."""
        return {
            "SMARTBANK_IOT_ENDPOINT": "127.0.0.1",
            "SMARTBANK_IOT_PORT": str(self.port),
            "SMARTBANK_IOT_CA_FILE": str(self.folder / "ca.pem"),
            "SMARTBANK_IOT_CERT_FILE": str(self.folder / f"{name}.crt"),
            "SMARTBANK_IOT_KEY_FILE": str(self.folder / f"{name}.key"),
        }

    def connection(self, name: str, client_id: str) -> IotConnection:
        """How a client with that certificate connects."""
        return IotConnection(
            endpoint="127.0.0.1",
            port=self.port,
            ca_file=self.folder / "ca.pem",
            cert_file=self.folder / f"{name}.crt",
            key_file=self.folder / f"{name}.key",
            client_id=client_id,
        )


class Publisher:
    """Publishes at QoS 1, and knows what the broker has acknowledged; leave it with `with`."""

    def __init__(self, connection: IotConnection, *, most_under_way: int = 1000) -> None:
        self.acknowledged: list[int] = []
        """Numbers of the messages, in the order of publish(), that have a PUBACK that says yes."""
        self._published = 0
        self._room = threading.Semaphore(most_under_way)
        self._most_under_way = most_under_way
        self._is_connected = threading.Event()
        self._client = mqtt_client(
            connection,
            session_expiry_s=3600,
            on_lifecycle_connection_success=lambda _: self._is_connected.set(),
        )

    def __enter__(self) -> Self:
        self._client.start()
        assert self._is_connected.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Hand a message over; waits while too many are under way."""
        assert self._room.acquire(timeout=120)
        number = self._published
        self._published += 1
        packet = mqtt5.PublishPacket(topic=topic, qos=mqtt5.QoS(qos), payload=payload)
        self._client.publish(packet).add_done_callback(lambda done: self._note(number, done))

    def finish(self) -> None:
        """Return when everything has its PUBACK, or never will."""
        for _ in range(self._most_under_way):
            assert self._room.acquire(timeout=120), f"{len(self.acknowledged)} of {self._published}"
        self._room.release(self._most_under_way)

    def _note(self, number: int, done: "Future[mqtt5.PublishCompletionData]") -> None:
        if not done.exception() and (done.result().puback.reason_code or 0) < _LOWEST_FAILURE:
            self.acknowledged.append(number)
        self._room.release()
