"""No secret leaves its zone: a run with known ones, then a search through everything that came out of it.

Zones are those of docs/architecture.md; topics say theirs in app/topics.py, so a new one is searched without
a change here. What else is public or internal (a store, a page) goes into `internal_places`.
"""

import json
import os
import time
import traceback
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.decoders import input_decoders
from app.topics import TopicSpec
from sketches.questions import QUESTIONS
from streaming.errors import RecordError
from tests.gateway import entry, message, running_gateway
from tests.integration.commands import TIMEOUT_S, environment, run, start
from tests.leaks import Secret, leaks
from tests.messages import POISON
from tests.notifications import Inbox, in_background
from tests.notifier import committed, notifier
from tests.pipeline import Pipeline, Worker, location, purchase, wait_until
from tests.services.mongodb import MongoServer

pytestmark = pytest.mark.kafka

CARDS = ("4929118243756603", "375528149960317", "6011873340219958")
NAMES = ("Zoë Quærtz-Ångström", "Bartholomew Fizzlewick", "Ngọc Thảo Lý")
USERS = ("user-ebonspire-77", "9913370428846", "Ünver/42&x=ÿ")
PLACES = ((37.331847, -121.887652), (48.137393, 11.575448), (-33.856784, 151.215297))
KEYS = {"k1": "77c0ffee" * 8, "k2": "0ddba11d" * 8}
GATEWAY_TOKEN = "gw-token-5up3rS3cretBearer"

PERSONAL = [
    *(Secret(f"card number {n}", "number", card) for n, card in enumerate(CARDS)),
    *(Secret(f"name {n}", "text", name) for n, name in enumerate(NAMES)),
    *(Secret(f"user id {n}", "text", user) for n, user in enumerate(USERS)),
]
EXACT_PLACES = [
    Secret(f"{axis} {n}", "degrees", repr(degrees))
    for n, place in enumerate(PLACES)
    for axis, degrees in zip(("latitude", "longitude"), place, strict=True)
]
SECRET_KEYS = [
    *(Secret(f"token key {name}", "key", secret) for name, secret in KEYS.items()),
    Secret("bearer token", "text", GATEWAY_TOKEN),
]


def test_nothing_of_a_customer_is_where_it_must_not_be(pipeline: Pipeline, tmp_path: Path) -> None:
    """Good records, spoilt ones, misplaced ones; a worker that logs all it can; commands and the gateway."""
    key_file = tmp_path / "known.key"
    half_ms = int(time.time() * 1000) - 30_000
    begins = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(half_ms / 1000))
    key_file.write_text(f"k1:{KEYS['k1']}\nk2:{KEYS['k2']} from {begins}\n")
    pipeline.configure(profile="envelope", grace_period_s=1, token_key_file=key_file, log_level="debug")
    pipeline.configure(anonymity_k=3, anonymity_l=1, card_testing_check_s=0.5)
    workers = {app: pipeline.worker(app) for app in ("detector", "publisher")}
    for worker in workers.values():
        worker.wait_ready()
    produce_everything(pipeline, half_ms)
    pipeline.wait_complete()
    wait_until(pipeline.is_published_to_the_end, 30, "published")
    for topic in (pipeline.topics.anonymized_transactions, pipeline.topics.public_statistics):
        wait_until(lambda topic=topic: pipeline.count(topic) > 0, 30, f"something on {topic.name}")  # type: ignore[misc]
    internal = {**internal_places(pipeline, workers, tmp_path), **topics_in(pipeline, "internal", "public")}
    internal |= stored_in_mongodb(pipeline, tmp_path) | notifications(pipeline, tmp_path)
    restricted = {**topics_in(pipeline, "restricted"), **files_below(pipeline.state_dir)}

    decisions = pipeline.decisions()
    assert len({d.transaction_id for d in decisions}) == 5 * len(CARDS)
    assert {f"{d.card_token}".partition(":")[0] for d in decisions} == {"k1", "k2"}
    assert pipeline.count(pipeline.topics.potential_fraud) > 0
    assert all(internal.values()), [place for place, content in internal.items() if not content]
    assert leaks(internal, [*PERSONAL, *EXACT_PLACES, *SECRET_KEYS]) == []
    assert leaks(restricted, [*PERSONAL, *SECRET_KEYS]) == []

    assert_the_search_can_find_all_this(pipeline, internal, key_file)


def assert_the_search_can_find_all_this(
    pipeline: Pipeline, internal: Mapping[str, bytes], key_file: Path
) -> None:
    """It finds every secret where it may be, and one that is planted in each place of the internal zone."""
    allowed = {topic.name: content_of(pipeline, topic) for topic in quoting(pipeline)}
    allowed["keys"] = key_file.read_bytes()
    found = leaks(allowed, [*PERSONAL, *EXACT_PLACES, *SECRET_KEYS[:-1]])
    for secret in (*PERSONAL, *EXACT_PLACES, *SECRET_KEYS[:-1]):
        assert any(f": {secret.what} as " in each for each in found), secret.what
    for place, content in internal.items():
        planted = {place: content + json.dumps(NAMES[0]).encode() + content}
        assert leaks(planted, PERSONAL) == [f"{place}: name 0 as JSON"]


def produce_everything(pipeline: Pipeline, half_ms: int) -> None:
    """A customer near the shop, then far from it; then the same customers' records, spoilt in every way."""
    now_ms = int(time.time() * 1000)
    events = []
    for n, (card, name, user, (lat, lon)) in enumerate(zip(CARDS, NAMES, USERS, PLACES, strict=True)):
        who = {"Card Number": int(card) if n == 1 else card, "Name": name, "User ID": user}
        who["Merchant"] = "Corner Shop"
        phone = f"phone-{n}"
        others = [
            {"User ID": other, "Name": NAMES[m], "Card Number": CARDS[m], "Merchant": "Corner Shop"}
            for m, other in enumerate(USERS)
        ]
        events += [
            purchase(f"old-{n}", phone, half_ms - 10_000_000, lat=lat, lon=lon, **who),
            location(phone, half_ms - 5000, lat=lat, lon=lon),
            *(
                purchase(f"visit-{n}-{m}", phone, half_ms - 3000, lat=lat, lon=lon, **other)
                for m, other in enumerate(others)
                if m != n
            ),
            purchase(f"near-{n}", phone, half_ms - 2000, lat=lat, lon=lon, **who),
            purchase(f"far-{n}", phone, now_ms - 2000, lat=lat + 1.5, lon=lon, **who),
            msgspec.structs.replace(location(phone, now_ms - 1000, lat=lat, lon=lon), key="elsewhere"),
            *(purchase(f"bad-{n}", phone, now_ms, lat=lat, lon=lon, **{**who, **bad}) for bad in spoilt(n)),
            location(phone, now_ms, lat=lat, lon=lon, Time=name),
            location(phone, now_ms, lat=lat, lon=lon, DeviceId=int(card)),
            msgspec.structs.replace(location(phone, now_ms + 4_000_000, lat=lat, lon=lon), arrival_ms=now_ms),
        ]
    pipeline.produce(events)
    producer = pipeline.producer()
    for n, poison in enumerate(POISON.values()):
        about = f"{NAMES[n % 3]} {CARDS[n % 3]} {PLACES[n % 3]} {USERS[n % 3]}".encode()
        producer.produce("transaction_data", poison[:100] + about, key=b"phone-0")
        producer.produce("location_data", about + poison[:100], key=b"phone-0")
    producer.flush()


def spoilt(n: int) -> Iterator[dict[str, Any]]:
    """What makes a record one that cannot be read, with a secret where it hurts."""
    card, name, user, (lat, _) = CARDS[n], NAMES[n], USERS[n], PLACES[n]
    yield {"Amount": card}
    yield {"Amount": name}
    yield {"Timestamp": name}
    yield {"Timestamp": card}
    yield {"Location Latitude": card}
    yield {"Location Latitude": f"{lat}N"}
    yield {"Location Longitude": lat * 1e6}
    yield {"Device ID": int(card)}
    yield {"Transaction ID": [name]}
    yield {"Card Number": [card]}
    yield {"Name": {"first": name}}
    yield {"User ID": [user]}


def internal_places(pipeline: Pipeline, workers: Mapping[str, Worker], folder: Path) -> dict[str, bytes]:
    """Everything of the internal and public zones that is no topic."""
    return {
        **{f"{app}: log": worker.log.encode() for app, worker in workers.items()},
        **{f"{app}: {path}": page for app, worker in workers.items() for path, page in pages_of(app, worker)},
        "dead letters: reasons": b"\n".join(
            value
            for record in pipeline.records(pipeline.topics.dead_letters)
            for name, value in record.headers
            if name in ("reason", "reason_code")
        ),
        "exceptions": b"\n".join(exceptions(pipeline)),
        **commands(pipeline, folder),
        **gateway(pipeline, folder),
    }


def stored_in_mongodb(pipeline: Pipeline, folder: Path) -> dict[str, bytes]:
    """What a store has, and what its sink's worker logs, when all published rows are there."""
    tokens = {record.key for record in pipeline.records(pipeline.topics.anonymized_transactions)}
    with MongoServer(folder) as server:
        env = {"SMARTBANK_MONGODB_URI": server.uri()}
        migrated = run({**os.environ, **pipeline.own_env, **env}, "stores", "migrate", "mongodb")
        assert migrated.returncode == 0, migrated.stderr
        worker = pipeline.worker("sink mongodb", env=env)
        with server.client() as client:
            rows = client["bank"].transactions
            wait_until(lambda: rows.count_documents({}) == len(tokens), 30, "rows in MongoDB")
            stored = repr(list(rows.find({}))).encode()
        assert worker.terminate() == 0
    return {"mongodb": stored, "sink: log": worker.log.encode(), "migrate": migrated.stdout.encode()}


def notifications(pipeline: Pipeline, folder: Path) -> dict[str, bytes]:
    """What leaves for people, and what the notifier logs."""
    flagged = pipeline.topics.potential_fraud
    with in_background(Inbox()) as inbox, notifier(pipeline.own_env, folder, url=inbox.url) as running:
        wait_until(lambda: committed(pipeline) == pipeline.count(flagged), 30, "people told")
        assert running.terminate() == 0
    bodies = b"\n".join(request.body for request in inbox.requests)
    assert b"transaction.flagged" in bodies
    assert b"transaction.confirmed" in bodies
    return {"notifications": bodies, "notifier: log": running.log.encode()}


def pages_of(app: str, worker: Worker) -> Iterator[tuple[str, bytes]]:
    """What the worker's web server shows; a page that is none is one, too."""
    [address] = [
        line.rpartition(" on ")[2].strip() for line in worker.log.splitlines() if ", web on " in line
    ]
    views = ["/query", *(f"/query/{name}" for name in QUESTIONS), "/query/nothing"]
    for path in ("/metrics", "/", "/nowhere", *(views if app == "publisher" else ())):
        connection = HTTPConnection(address)
        connection.request("GET", path)
        yield path, connection.getresponse().read()
        connection.close()


def exceptions(pipeline: Pipeline) -> Iterator[bytes]:
    """What a traceback shows of each input that cannot be read, with all that led to it."""
    decoders = input_decoders(pipeline.topics)
    for topic in pipeline.topics.detector_inputs:
        for record in pipeline.records(topic):
            try:
                decoders[topic.name].decode(record.value)
            except RecordError as error:
                yield "".join(traceback.format_exception(error)).encode()


def commands(pipeline: Pipeline, folder: Path) -> dict[str, bytes]:
    """What commands print that are not of the restricted zone, given spoilt input and known keys."""
    bad = folder / "spoilt.jsonl"
    lines = [
        purchase(
            "bad", "phone-0", 1, **{**change, "Name": NAMES[n], "User ID": USERS[n], "Card Number": CARDS[n]}
        )
        for n in range(len(CARDS))
        for change in spoilt(n)
    ]
    bad.write_text("".join(f"{line.value}\n" for line in lines))
    env = environment(pipeline.bootstrap, token_key_file=pipeline.own_env["SMARTBANK_TOKEN_KEY_FILE"])
    asked = (
        ("reconcile", "--json"),
        ("doctor",),
        ("produce", "--input", str(bad), "--output", str(folder / "events.jsonl")),
    )
    running = {f"command {command[0]}": start(env, *command) for command in asked}
    return {name: b"".join(process.communicate(timeout=TIMEOUT_S)) for name, process in running.items()}


def gateway(pipeline: Pipeline, folder: Path) -> dict[str, bytes]:
    """What a phone, or somebody who is none, gets for pushes that cannot be read; and the log."""
    tokens = folder / "gateway" / "tokens"
    tokens.parent.mkdir()
    tokens.write_text(f"{GATEWAY_TOKEN}\n")
    (lat, lon), name = PLACES[0], NAMES[0]
    exact = entry(latitude=lat, longitude=lon)
    bodies = [
        message("phone-0", entry(latitude=lat, longitude=str(lon) + name)),
        message("phone-0", {**exact, "time": name}),
        message(name, {**exact, "values": [lat, lon]}),
        message("phone-0", exact)[:-5] + name.encode(),
        message("phone-0", exact) + CARDS[0].encode(),
    ]
    with running_gateway(pipeline.bootstrap, tokens, GATEWAY_TOKEN, log_level="debug") as running:
        running.wait_ready()
        answers = [running.push(body) for body in bodies]
        assert all(400 <= answer.status < 500 for answer in answers)
        refused = running.push(bodies[0], token=f"{GATEWAY_TOKEN}x")
        assert refused.status == 401
        heads = "".join(f"{answer.headers}" for answer in (*answers, refused)).encode()
        assert running.stop() == 0
    return {
        "gateway: answers": b"\n".join(answer.body for answer in (*answers, refused)) + heads,
        "gateway: log": b"log:" + running.log.encode(),
    }


def quoting(pipeline: Pipeline) -> tuple[TopicSpec, ...]:
    """The topics that hold what the bank and the phones sent as it was."""
    topics = pipeline.topics
    return (*topics.detector_inputs, topics.dead_letters)


def topics_in(pipeline: Pipeline, *zones: str) -> dict[str, bytes]:
    """The topics of a zone that quote no input."""
    chosen = [
        topic for topic in pipeline.topics.all if topic.zone in zones and topic not in quoting(pipeline)
    ]
    return {topic.name: content_of(pipeline, topic) for topic in chosen}


def content_of(pipeline: Pipeline, topic: TopicSpec) -> bytes:
    """Keys, values and headers of all its records."""
    return b"\n".join(
        part
        for record in pipeline.records(topic)
        for part in (record.key or b"", record.value or b"", *(value for _, value in record.headers))
    )


def files_below(folder: Path) -> dict[str, bytes]:
    """The files in which tables lie."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
