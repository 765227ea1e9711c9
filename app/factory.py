"""Where the detector is put together, and what its app has in common with the others."""

from pathlib import Path
from typing import Any

import faust
from prometheus_client import CollectorRegistry

from agents import detect
from agents.metrics import VerdictMetrics
from agents.refusals import Refusals
from app.checked_app import CheckedApp
from app.connection import connection_of
from app.decoders import decoders_of
from app.health import watch_worker
from app.metrics_page import NAMESPACE
from app.profiles import profile_of
from app.rules import detector_of
from app.settings import RUN_DIR, Settings
from app.token_keys import LOOK_PERIOD_S, LiveTokens
from app.topics import AppTopics, Topics, topics_of
from detection.profile import PaperProfile
from models.location_fix import LocationFix
from models.transaction import Transaction
from streaming.chunk_app import read_in_chunks
from streaming.consumer import ChunkOptions
from streaming.log_rate import limit_log_rate
from streaming.metrics import ChunkMetrics
from tables.cases import CaseTable
from tables.latest_locations import make_latest_locations
from tables.tracks import make_tracks


def create_detector(settings: Settings, registry: CollectorRegistry) -> faust.App:
    """Make the Faust app of the detector, with its agent and table; it connects to nothing yet.

    Raises ConfigError where a setting, certificate or key file is wrong.
    """
    topics = topics_of(settings)
    connection = connection_of(settings)
    app = CheckedApp(
        settings.app_id,
        connection=connection,
        topics=topics.detector,
        **connection.faust_options,
        **faust_options(settings, settings.app_id, settings.web_port),
    )
    inputs = read_in_chunks(app, chunk_options(settings, topics.detector, registry))
    profile = profile_of(settings)
    tokens = LiveTokens(settings, ahead_s=settings.max_clock_skew_s)
    make_states = make_latest_locations if isinstance(profile, PaperProfile) else make_tracks
    tables = detect.Tables(
        states=app.tables.add(make_states(app, settings.topic_partitions)),
        cases=app.tables.add(CaseTable(app, settings.topic_partitions)),
    )
    detect.connect(
        app,
        inputs,
        _outputs(topics),
        tables,
        detector_of(settings, profile, tokens),
        refusals=Refusals(topics.dead_letters.name, registry, [each.name for each in topics.detector.reads]),
        metrics=VerdictMetrics(registry),
        max_clock_skew_s=settings.max_clock_skew_s,
    )
    follow_key_file(app, tokens)
    watch_worker(app, registry, settings)
    limit_log_rate("aiokafka")
    return app


def chunk_options(settings: Settings, topics: AppTopics, registry: CollectorRegistry) -> ChunkOptions:
    """How an app reads its topics."""
    return ChunkOptions(
        inputs=decoders_of(topics.reads),
        metrics=ChunkMetrics(registry, NAMESPACE),
        chunk_max_records=settings.chunk_max_records,
        buffer_max_records=settings.buffer_max_records,
        max_idle_s=settings.max_idle_s,
        fetch_wait_s=settings.fetch_wait_s,
        settle_timeout_s=settings.settle_timeout_s,
        zombie_check_s=settings.zombie_check_s,
        punctuate_s=1.0,
    )


def faust_options(settings: Settings, app_id: str, web_port: int) -> dict[str, Any]:
    """Faust's settings. Standbys are off: RocksDB directories and quick recovery do their work."""
    return {
        "autodiscover": False,
        "store": f"{settings.store}://",
        "datadir": str(Path(settings.state_dir or RUN_DIR / "state") / app_id),
        "topic_partitions": settings.topic_partitions,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "table_standby_replicas": 0,
        "stream_wait_empty": True,
        "stream_buffer_maxsize": 16,
        "stream_recovery_delay": 0.0,
        "consumer_auto_offset_reset": "earliest",
        "consumer_max_fetch_size": settings.fetch_max_bytes,
        "consumer_group_instance_id": settings.instance_id or None,
        "broker_session_timeout": settings.session_timeout_s,
        "broker_rebalance_timeout": settings.rebalance_timeout_s,
        "broker_heartbeat_interval": settings.heartbeat_interval_s,
        "broker_request_timeout": settings.request_timeout_s,
        "broker_commit_interval": settings.commit_interval_s,
        "producer_acks": -1,
        "producer_linger": settings.linger_s,
        "producer_max_batch_size": settings.batch_max_bytes,
        "web_enabled": bool(web_port),
        "web_tables_enabled": False,  # exact places are for restricted eyes, and this server knows no users
        "web_router_enabled": False,
        "web_bind": settings.web_host,
        "web_host": settings.web_host,
        "web_port": web_port or 6066,
    }


def follow_key_file(app: faust.App, tokens: LiveTokens) -> None:
    """Let a worker take keys that are added to the file while it runs."""

    async def look_for_new_keys() -> None:
        tokens.refresh()

    app.timer(LOOK_PERIOD_S)(look_for_new_keys)


def _outputs(topics: Topics) -> detect.Outputs:
    return detect.Outputs(
        decisions=topics.transaction_decisions.name,
        flagged=topics.potential_fraud.name,
        repartition={
            LocationFix: topics.location_repartition.name,
            Transaction: topics.transaction_repartition.name,
        },
    )
