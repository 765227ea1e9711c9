"""Every setting, read once from the environment. `python -m app settings` prints this as a reference."""

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self, get_args, get_origin

from streaming.errors import ConfigError

PREFIX = "SMARTBANK_"
PROJECT_DIR = Path(__file__).resolve().parent.parent
RUN_DIR = PROJECT_DIR / ".run"
DEFAULT_BOOTSTRAP = "127.0.0.1:9092"
_MOST_PORT = 65_535
_SHORTEST_S = 0.001


def _setting(
    default: Any, doc: str, *, secret: bool = False, least: float = 0, most: float = math.inf
) -> Any:
    """Declare a setting: default, what changes when it does, if it must never be shown, bounds."""
    metadata = {"doc": doc, "secret": secret, "least": least, "most": most}
    return field(default=default, repr=not secret, metadata=metadata)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of every process. A field `kafka_security` is read from SMARTBANK_KAFKA_SECURITY."""

    app_id: str = _setting("bank-detector", "Consumer group of the detector and prefix of its topics.")
    publisher_id: str = _setting("bank-publisher", "The same of the publisher.")
    kafka_bootstrap: str = _setting(
        "",
        "host:port of one or more brokers, separated by commas. Empty: the broker that"
        f" `python -m app kafka start` left under .run/, else {DEFAULT_BOOTSTRAP}.",
    )
    kafka_security: Literal["plaintext", "sasl_ssl", "ssl"] = _setting(
        "plaintext", "plaintext; sasl_ssl: SCRAM-SHA-512 over TLS; ssl: mutual TLS."
    )
    kafka_username: str = _setting("", "SCRAM user, for sasl_ssl.")
    kafka_password: str = _setting("", "SCRAM password, for sasl_ssl.", secret=True)
    kafka_password_file: str = _setting("", "File with the SCRAM password, instead of kafka_password.")
    kafka_ca_file: str = _setting("", "PEM file of the authority that signed the brokers' certificates.")
    kafka_cert_file: str = _setting("", "PEM file of the client's certificate, for ssl.")
    kafka_key_file: str = _setting("", "PEM file of the client's private key, for ssl.")

    topic_partitions: int = _setting(4, "Partitions of every topic that `topics create` makes.", least=1)
    topic_replication_factor: int = _setting(
        1, "Copies of every topic that `topics create` makes; 3 in production.", least=1
    )

    store: Literal["rocksdb", "memory"] = _setting(
        "rocksdb", "Where tables live. rocksdb: on disk, a restart is quick; memory: rebuilt at every start."
    )
    state_dir: str = _setting(
        "", "Folder of the tables on disk; each worker takes a free one of its own in it. Empty: .run/state/."
    )
    profile: str = _setting(
        "envelope",
        "Profile that verdicts follow: envelope, paper, or one of profiles_file. A change from a kind of"
        " envelope to a kind of paper, or back, starts with another table of locations.",
    )
    profiles_file: str = _setting(
        "", "TOML file with profiles of your own (docs/profiles.md). Empty: envelope and paper only."
    )
    grace_period_s: float = _setting(
        300.0,
        "Profile envelope: locations that arrive so long after a transaction still count. Higher: fewer wrong"
        " verdicts on phones that report late, later final ones.",
    )
    repeat_window_s: float = _setting(
        3600.0, "A transaction that comes again within this after its deadline gets the same decision."
    )
    max_open_transactions: int = _setting(
        100_000,
        "Of a partition. Where more are open, the oldest are made final early. Higher: more memory (1.5 kB"
        " each).",
        least=1,
    )
    forward_wait_s: float = _setting(
        5.0,
        "Profile envelope: by the clock on the wall, a transaction stays open at least so long, for locations"
        " that lay in a wrong partition. Above grace_period_s, or where a backlog is read, it delays final"
        " verdicts.",
    )
    paper_tolerance_mps: float = _setting(
        1.0, "Profile paper: flagged above the reported speed plus this. Higher: fewer flags."
    )
    max_clock_skew_s: float = _setting(
        300.0, "A record whose event time lies further after its record timestamp is a dead letter."
    )
    token_key_file: str = _setting(
        "",
        "File with the keys of the tokens, lines KEY_ID:SECRET (hex, 32 bytes or more) and the beginning of"
        " each one's period (docs/keys.md). Empty: a development key is made under .run/, with a warning.",
    )
    token_keys: str = _setting(
        "",
        "The same lines, with ; between them, instead of a file: read once, so a rotation needs a restart.",
        secret=True,
    )
    audit_file: str = _setting(
        "",
        "File to which `reveal` adds a line for everything that it decrypts or resolves, before it shows it."
        " Empty: .run/audit.jsonl.",
    )

    anonymity_k: int = _setting(
        10,
        "Different people of every group of rows that is published (docs/privacy.md). Higher: more private,"
        " less exact; `python -m app choose-k` shows how much.",
        least=2,
    )
    anonymity_l: int = _setting(
        2, "Different merchants of every group that is published. 1: no such condition.", least=1
    )
    anonymity_delta: int = _setting(
        1000,
        "Rows of a worker that may come after one before it is published. Higher: more exact, later, more"
        " memory.",
        least=1,
    )
    anonymity_limit_s: float = _setting(
        300.0,
        "A row is published, or suppressed, when it has waited so long for company. Higher: fewer rows are"
        " suppressed where few come.",
    )
    anonymity_mu: int = _setting(
        100,
        "Published groups that rows may join which find no others to form one. Higher: fewer are suppressed.",
        least=1,
    )
    anonymity_hierarchies_file: str = _setting(
        "",
        "TOML file of the steps in which place, time, amount, category and device are generalised. Empty:"
        " app/anonymity/hierarchies.toml.",
    )

    epsilon_per_hour: float = _setting(
        0.04,
        "What the public statistics of an hour cost (differential privacy, docs/keys.md). Higher: less noise,"
        " less private. 0: none are published.",
    )
    epsilon_per_day: float = _setting(
        1.0, "What may be spent in a day (UTC); then the statistics of further hours wait for the next."
    )
    public_rows_per_device: int = _setting(
        3,
        "So many transactions of a device and an hour count in public statistics. Higher: more noise, less is"
        " left out.",
        least=1,
    )
    public_most_amount: float = _setting(
        500.0,
        "A transaction counts for no more than this in the public sum of amounts. Higher: more noise.",
        least=0.01,
    )

    session_timeout_s: float = _setting(
        10.0,
        "A worker that is silent for longer loses its partitions. Lower: quicker takeover, more false"
        " alarms.",
        least=_SHORTEST_S,
    )
    instance_id: str = _setting(
        "",
        "Name of this worker in its group, another one for each worker (static membership, KIP-345): one that"
        " is back within session_timeout_s has its partitions again without a rebalance. Empty: none.",
    )
    heartbeat_interval_s: float = _setting(
        1.0, "Pause between two signs of life to the broker.", least=_SHORTEST_S
    )
    rebalance_timeout_s: float = _setting(
        20.0, "A worker that needs longer to give up its partitions is taken for dead.", least=_SHORTEST_S
    )
    request_timeout_s: float = _setting(
        40.0, "A broker that answers no request for longer is tried again.", least=_SHORTEST_S
    )
    commit_interval_s: float = _setting(
        0.5,
        "Pause between commits. Lower: fewer repeats after a crash, more work for the broker.",
        least=_SHORTEST_S,
    )
    fetch_wait_s: float = _setting(
        0.01,
        "The broker holds a fetch open for as long when there is nothing new. Higher: fewer idle requests.",
    )
    linger_s: float = _setting(
        0.0, "Outputs wait as long for company in a batch. Higher: fewer requests, more latency."
    )
    batch_max_bytes: int = _setting(
        262_144, "Most of what is sent to a partition at once. Higher: fewer requests.", least=1024
    )
    fetch_max_bytes: int = _setting(
        4_194_304,
        "Most of what one fetch brings of a partition; at least the largest record. Higher: more memory,"
        " quicker recovery.",
        least=1_048_576,
    )
    max_idle_s: float = _setting(
        0.0,
        "A partition that is caught up holds the others back for as long, so that a late one comes in order.",
    )
    chunk_max_records: int = _setting(1000, "Records that an agent takes at once.", least=1)
    buffer_max_records: int = _setting(
        6000, "Records of a partition that wait in memory before no more of it are fetched.", least=1
    )
    settle_timeout_s: float = _setting(
        5.0,
        "At a rebalance, started work may take as long to be acknowledged; then the worker exits.",
        least=_SHORTEST_S,
    )
    zombie_check_s: float = _setting(
        5.0,
        "Pause between two looks for rows that a worker wrote to a changelog after it lost the partition.",
        least=_SHORTEST_S,
    )

    snapshot_interval_s: float = _setting(
        5.0,
        "The publisher writes its sketches as often, and commits what is in them. Higher: less to write, more"
        " to read again after a crash.",
        least=_SHORTEST_S,
    )
    snapshot_max_records: int = _setting(
        50_000, "Sooner where so many records of a partition are not in a snapshot yet.", least=1
    )
    view_pane_s: int = _setting(
        300,
        "Views over flagged transactions are made of spans of this length: windows and steps are multiples of"
        " it. Shorter: finer windows, more rows.",
        least=1,
    )
    view_retention_s: int = _setting(
        172_800, "So far back views reach, in the time of the transactions.", least=3600
    )
    high_value_amount: float = _setting(1000.0, "A transaction of this amount or more is of high value.")
    usual_places_span_s: int = _setting(
        604_800,
        "A device's usual place is drawn from a span of this length, and stays approved for the next.",
        least=60,
    )
    usual_places_devices: int = _setting(
        10_000,
        "Devices of a partition with a usual place; more of them raise the share of false places that are"
        " approved above 1 %. Each takes 0.5 kB.",
        least=16,
    )
    card_testing_check_s: float = _setting(
        5.0, "Pause between two looks for card testing over all partitions.", least=_SHORTEST_S
    )
    card_testing_window_s: float = _setting(
        120.0, "Transactions that are near-identical within this are looked at together.", least=1
    )
    card_testing_max_amount: float = _setting(5.0, "Only amounts up to this.")
    card_testing_min_cards: int = _setting(
        10, "So many cards in near-identical transactions raise an alert.", least=2
    )

    intake_linger_s: float = _setting(
        0.005,
        "A record from outside waits as long for company. Higher: fewer requests to Kafka, more latency.",
    )
    intake_acknowledge_timeout_s: float = _setting(
        10.0,
        "Kafka is taken for away where it has not acknowledged within this: senders are told to try again.",
        least=_SHORTEST_S,
    )
    intake_max_in_flight_bytes: int = _setting(
        33_554_432,
        "Records from outside that may wait for Kafka's acknowledgement; more are turned away. Higher: more"
        " memory.",
        least=1_048_576,
    )

    gateway_host: str = _setting("127.0.0.1", "Address at which the gateway listens; 0.0.0.0: at every one.")
    gateway_port: int = _setting(8080, "Its port. 0: a free one.")
    gateway_token_file: str = _setting(
        "",
        "File with one bearer token for the fleet, or lines DEVICE_ID:TOKEN (docs/gateway.md). Empty: none is"
        " asked for, which only an address of this machine (127.0.0.1) allows.",
    )
    gateway_cert_file: str = _setting("", "PEM file of the gateway's certificate chain. Empty: no TLS.")
    gateway_key_file: str = _setting("", "PEM file of its private key.")
    gateway_max_body_bytes: int = _setting(
        1_048_576, "Most of one push; more is answered with 413.", least=1024
    )
    gateway_max_locations: int = _setting(
        1000,
        "Locations of one push; more is answered with 413. Higher: others wait longer for a large one (20 µs"
        " each).",
        least=1,
    )
    gateway_max_connections: int = _setting(
        4096, "Connections at a time; more are closed. Each takes up to 100 kB.", least=1
    )
    gateway_read_timeout_s: float = _setting(
        10.0, "A push must have come within this after its headers.", least=_SHORTEST_S
    )
    gateway_idle_timeout_s: float = _setting(
        60.0,
        "A connection is closed when so long no request has begun, its headers included. Higher: fewer"
        " handshakes of phones that push seldom.",
        least=_SHORTEST_S,
    )

    gateway_metrics_port: int = _setting(6067, "Port of its /metrics, at web_host. 0: none is served.")

    iot_endpoint: str = _setting(
        "", "Host name of AWS IoT Core (`aws iot describe-endpoint`) or of another MQTT 5 broker."
    )
    iot_port: int = _setting(8883, "Its port for mutual TLS; 443 also works with AWS.", least=1)
    iot_cert_file: str = _setting("", "PEM file of the thing's certificate.")
    iot_key_file: str = _setting("", "PEM file of the thing's private key.")
    iot_ca_file: str = _setting(
        "", "PEM file of the authority that signed the broker's certificate. Empty: this machine's."
    )
    iot_client_id: str = _setting(
        "smart-bank-bridge",
        "Client id of the bridge, another one for each: the broker keeps a session under it.",
    )
    iot_sensors_client_id: str = _setting(
        "smart-bank-sensors", "Client id of `simulate --source mqtt`, which publishes for all devices."
    )
    iot_topic_filter: str = _setting(
        "devices/+/location",
        "MQTT topics that the bridge reads; the device id stands where the first + is. $share/GROUP/FILTER"
        " shares them among several bridges.",
    )
    iot_receive_maximum: int = _setting(
        1000,
        "Messages that may be under way to the bridge and not acknowledged. Higher: more memory; AWS sends at"
        " most 100.",
        least=1,
        most=65_535,
    )
    iot_session_expiry_s: int = _setting(
        604_800,
        "The broker keeps what is published while the bridge is away for as long; AWS an hour by default, 7"
        " days at most.",
        least=1,
        most=4_294_967_295,
    )
    iot_throttle: Literal["auto", "on", "off"] = _setting(
        "auto", "Whether `simulate` publishes 100 messages/s at most, as AWS allows; auto: to Amazon only."
    )
    iot_field_keys_file: str = _setting(
        "",
        "File of the keys of encrypted fields, one a line, the newest first (docs/iot.md). Empty: none is"
        " read.",
    )
    iot_encryption: Literal["optional", "required"] = _setting(
        "optional", "required: a location that comes unencrypted is a dead letter."
    )
    iot_web_port: int = _setting(6068, "Port of the bridge's /metrics, /livez and /readyz. 0: none.")

    sink_batch_max_rows: int = _setting(
        1000, "Rows that a sink writes to its store at once. Higher: fewer requests, more memory.", least=1
    )
    sink_batch_max_wait_s: float = _setting(
        0.2, "A row waits as long for company in a batch. Higher: fewer requests, rows come later."
    )
    sink_buffer_max_rows: int = _setting(
        4000,
        "Rows that may wait in memory for the store; then no more are read. At least sink_batch_max_rows.",
        least=1,
    )
    sink_write_timeout_s: float = _setting(
        30.0, "A store that has not answered within this is taken for away.", least=_SHORTEST_S
    )
    sink_retry_min_s: float = _setting(
        0.1,
        "A store that is away is asked again after a random time of at most this, then of twice this, and so"
        " on.",
        least=_SHORTEST_S,
    )
    sink_retry_max_s: float = _setting(
        15.0,
        "Most of that time. Higher: less load on a store that comes back, rows come later.",
        least=_SHORTEST_S,
    )
    sink_breaker_failures: int = _setting(
        5, "After so many failures in a row the store is left alone for sink_breaker_open_s.", least=1
    )
    sink_breaker_open_s: float = _setting(10.0, "So long.")

    mongodb_uri: str = _setting(
        "",
        "Connection string: mongodb://USER:PASSWORD@HOST:PORT/?tls=true, or mongodb+srv://…"
        " (docs/mongodb.md).",
        secret=True,
    )
    mongodb_uri_file: str = _setting("", "File with the connection string, instead of mongodb_uri.")
    mongodb_database: str = _setting("bank", "Database of the rows.")
    mongodb_ttl_days: int = _setting(
        0,
        "A row is deleted so many days after its time_to; 0: never. `stores migrate` applies it.",
        most=24_855,
    )

    elasticsearch_url: str = _setting("", "https://HOST:PORT, without user and password.")
    elasticsearch_api_key: str = _setting("", "API key, as Kibana shows it in base64.", secret=True)
    elasticsearch_username: str = _setting("", "User, where there is no API key.")
    elasticsearch_password: str = _setting("", "Password, where there is no API key.", secret=True)
    elasticsearch_secret_file: str = _setting(
        "", "File with the API key or, where there is a username, the password, instead of these two."
    )
    elasticsearch_ca_file: str = _setting(
        "", "PEM file of the authority that signed the server's certificate. Empty: those of this machine."
    )
    elasticsearch_index: str = _setting(
        "anonymized-transactions",
        "Prefix of the indices, of which there is one a month, and alias of them all. deploy/kibana/ has this"
        " one.",
    )

    timestream_engine: Literal["influxdb", "liveanalytics"] = _setting(
        "influxdb",
        "influxdb: Amazon Timestream for InfluxDB, or an InfluxDB 2 of your own; liveanalytics: Amazon"
        " Timestream for LiveAnalytics, which takes no new customers since June 2025.",
    )
    timestream_retention_days: int = _setting(
        90,
        "Rows and readings are deleted so many days after their time. `stores migrate` applies it.",
        least=1,
    )
    influxdb_url: str = _setting("", "http://HOST:PORT or https://HOST:PORT.")
    influxdb_org: str = _setting("", "Organization.")
    influxdb_token: str = _setting(
        "", "Token that may write (and, to migrate, make) the bucket.", secret=True
    )
    influxdb_token_file: str = _setting("", "File with the token, instead of influxdb_token.")
    influxdb_bucket: str = _setting("anonymized_transactions", "Bucket of the rows.")
    influxdb_sensor_bucket: str = _setting(
        "sensor_readings", "Bucket of the sensors' readings, restricted: `timestream fetch` reads it."
    )
    timestream_region: str = _setting("us-west-2", "Region of Amazon Timestream for LiveAnalytics.")
    timestream_endpoint_url: str = _setting("", "Another address of it, for tests. Empty: Amazon's.")
    timestream_database: str = _setting("smart_bank", "Its database.")
    timestream_table: str = _setting("anonymized_transactions", "Its table of the rows.")
    timestream_sensor_table: str = _setting(
        "sensor_readings", "Its table of the sensors' readings, restricted: `timestream fetch` reads it."
    )
    timestream_memory_hours: int = _setting(
        24,
        "What is so young lies in its memory store; older rows go to its magnetic store, for"
        " timestream_retention_days.",
        least=1,
        most=8766,
    )

    parquet_url: str = _setting(
        "",
        "Where Parquet files are written: a folder, or s3://BUCKET/PREFIX?region=… (docs/parquet.md).",
        secret=True,
    )

    notify_id: str = _setting(
        "bank-notifier",
        "Consumer group of the notifier (docs/notifications.md). Another one for each receiver: every group"
        " is told of everything.",
    )
    notify_channel: Literal["webhook", "slack", "email"] = _setting(
        "webhook", "How people are told: a signed request, Slack's incoming webhook, or e-mail."
    )
    notify_url: str = _setting(
        "", "Address of the webhook, https://…; http:// only to this machine.", secret=True
    )
    notify_url_file: str = _setting("", "File with that address, instead of notify_url.")
    notify_secret_file: str = _setting(
        "",
        "File with the webhook's secrets, whsec_ and base64, one a line: each signs, so that one can be"
        " changed without a pause.",
    )
    notify_events: str = _setting(
        "flagged,confirmed,retracted,card_testing", "What people are told of, with commas in between."
    )
    notify_per_minute: int = _setting(
        10,
        "Messages within any 60 s; what exceeds them comes in one digest. Higher: sooner, and more of them.",
        least=1,
    )
    notify_link_base: str = _setting(
        "",
        "A message links to this with the transaction's id behind it, https://HOST/#t= for the live page."
        " Empty: no link.",
    )
    notify_timeout_s: float = _setting(
        10.0, "A receiver that has not answered within this is tried again.", least=_SHORTEST_S
    )
    notify_retry_min_s: float = _setting(
        0.5,
        "It is tried again after a random time of at most this, then of twice this, and so on.",
        least=_SHORTEST_S,
    )
    notify_retry_max_s: float = _setting(
        60.0, "Most of that time. Higher: less load on a receiver that comes back.", least=_SHORTEST_S
    )
    notify_give_up_s: float = _setting(
        259_200.0, "An event that is older and cannot be told at the next try becomes a dead letter."
    )
    notify_ca_file: str = _setting(
        "", "PEM file of the authority that signed the receiver's certificate. Empty: this machine's."
    )
    notify_smtp_host: str = _setting("", "Mail server, for email.")
    notify_smtp_port: int = _setting(587, "Its port; 465 for tls.", least=1)
    notify_smtp_security: Literal["starttls", "tls", "none"] = _setting(
        "starttls", "TLS of its connection; none: only to this machine."
    )
    notify_smtp_username: str = _setting("", "User at the mail server. Empty: none logs in.")
    notify_smtp_password_file: str = _setting("", "File with its password.")
    notify_mail_from: str = _setting("", "Sender of the mails.")
    notify_mail_to: str = _setting("", "Their recipients, with commas in between.")
    notify_web_port: int = _setting(6064, "Port of the notifier's /metrics, /livez and /readyz. 0: none.")
    dashboard_host: str = _setting(
        "127.0.0.1", "Address at which the live page is served (docs/dashboard.md)."
    )
    dashboard_port: int = _setting(8050, "Its port. 0: a free one.")
    dashboard_token_file: str = _setting(
        "",
        "File of lines desk:TOKEN and analyst:TOKEN, with which people sign in. Empty: nobody needs to, which"
        " only an address of this machine allows.",
    )
    dashboard_open_role: Literal["desk", "analyst"] = _setting(
        "desk", "What everybody on this machine is, where nobody signs in."
    )
    dashboard_proxy_header: str = _setting(
        "", "Header in which a proxy that signs people in says desk or analyst. Empty: none is believed."
    )
    dashboard_trusted_proxies: str = _setting(
        "",
        "Addresses or networks of such proxies, with commas; from any other the header counts for nothing.",
    )
    dashboard_history_s: float = _setting(
        3600.0,
        "The page begins so long ago, and forgets what is older. Higher: more to read at the start.",
        least=60,
    )
    dashboard_max_devices: int = _setting(
        2000, "Devices on the page; then the one that was silent longest goes. Each takes 15 kB.", least=1
    )
    dashboard_max_flagged: int = _setting(
        500, "Flagged transactions on the page; then the oldest goes.", least=1, most=5000
    )
    dashboard_max_pages: int = _setting(
        32, "Pages that may be open at a time; each takes a thread.", least=1, most=1000
    )
    dashboard_push_interval_s: float = _setting(
        0.2, "A page hears of changes as often. Lower: sooner, more work for browsers.", least=0.02
    )
    dashboard_cell_km: float = _setting(
        5.0, "Width of the cells in which analysts see places. Higher: more private.", least=1, most=1000
    )
    dashboard_tiles_url: str = _setting(
        "",
        "Map tiles, https://HOST/{z}/{x}/{y}.png: browsers ask HOST for the part of the map that they show."
        " Empty: coasts and borders only, from this machine.",
    )
    dashboard_tiles_attribution: str = _setting("", "What the tiles' owner wants to have named on the map.")

    web_host: str = _setting(
        "127.0.0.1", "Address of the web server of a worker, gateway, bridge or notifier (/metrics)."
    )
    stuck_after_s: float = _setting(
        30.0,
        "A worker is not ready (/readyz, docs/metrics.md) where the broker has not answered, or its agent has"
        " taken or finished nothing, for longer. Lower: noticed sooner; below a few seconds a busy machine"
        " looks stuck.",
        least=0.1,
    )
    web_port: int = _setting(6066, "Its port, of the detector. 0: none is served.")
    publisher_web_port: int = _setting(
        6065, "Port of the publisher: /metrics, and the queries. 0: none is served, and none can be asked."
    )
    advertised_host: str = _setting(
        "",
        "Name or address at which the publisher's other workers reach this one's web server; they gather the"
        " answers to queries. Empty: web_host, or this machine's name where that is 0.0.0.0.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = _setting(
        "info", "Least severe level that is logged."
    )

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """Read SMARTBANK_* out of `env`. Raises ConfigError on an unknown name or a value that is none."""
        known = {PREFIX + f.name.upper(): f for f in fields(cls)}
        unknown = sorted(name for name in env if name.startswith(PREFIX) and name not in known)
        if unknown:
            raise ConfigError(f"{', '.join(unknown)}: no such setting; see `python -m app settings`")
        return cls(**{f.name: _parse(name, env[name], f) for name, f in known.items() if name in env})

    @property
    def bootstrap(self) -> str:
        """The brokers to connect to: the setting, else the local broker's address, else the usual port."""
        if self.kafka_bootstrap:
            return self.kafka_bootstrap
        left = RUN_DIR / "kafka" / "address"
        return left.read_text().strip() if left.exists() else DEFAULT_BOOTSTRAP


def _parse(name: str, text: str, setting: Field[Any]) -> Any:
    """Turn the text of an environment variable into the type of its field."""
    kind: Any = setting.type
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise ConfigError(f"{name} is {text!r}; it must be one of {', '.join(get_args(kind))}")
        return text
    if kind is str:
        return text
    try:
        number = kind(text)
    except ValueError:
        raise ConfigError(f"{name} is {text!r}; it must be a number ({kind.__name__})") from None
    least, most = setting.metadata["least"], setting.metadata["most"]
    if name.endswith("_PORT"):
        most = _MOST_PORT
    if not least <= number <= most or number == math.inf:
        bounds = f"at least {least:g}" + (f" and at most {most}" if most < math.inf else " and finite")
        raise ConfigError(f"{name} is {text!r}; it must be {bounds}")
    return number
