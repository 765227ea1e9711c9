"""Where the publisher is put together. Apart from the detector, which need not load what only this uses."""

import faust
from faust.types import TP
from prometheus_client import CollectorRegistry

from agents import anonymize, publish, sketch
from agents.metrics import EventMetrics
from agents.refusals import Refusals
from app.anonymity.reading import anonymizer_maker, target_of
from app.card_testing import watch_card_testing
from app.checked_app import CheckedApp
from app.connection import connection_of
from app.factory import chunk_options, faust_options, follow_key_file
from app.gathering import Gatherer, peer_token
from app.health import watch_worker
from app.periodically import periodically
from app.public_statistics import Plan, Publishing
from app.queries import serve_queries
from app.settings import Settings
from app.sketch_book import PUBLIC_CATEGORIES, book_of, card_testing_bounds
from app.token_keys import LiveTokens
from app.topics import topics_of
from privacy.bounded import Bounds
from streaming.chunk_app import read_in_chunks
from streaming.log_rate import limit_log_rate
from tables.groups import GroupTable
from tables.snapshots import SnapshotTable
from tables.statistics import make_budget


def create_publisher(settings: Settings, registry: CollectorRegistry) -> faust.App:
    """Make the Faust app of the publisher, with its agent, tables and web pages; it connects to nothing yet.

    Raises ConfigError where a setting, certificate or key file is wrong.
    """
    topics = topics_of(settings)
    connection = connection_of(settings)
    tokens = LiveTokens(settings, ahead_s=settings.max_clock_skew_s)
    app = CheckedApp(
        settings.publisher_id,
        connection=connection,
        topics=topics.publisher,
        advertised_host=settings.advertised_host,
        **connection.faust_options,
        **faust_options(settings, settings.publisher_id, settings.publisher_web_port),
    )
    inputs = read_in_chunks(app, chunk_options(settings, topics.publisher, registry))
    tables = sketch.Tables(
        **{
            name: app.tables.add(SnapshotTable(app, name, settings.topic_partitions, help=help_text))
            for name, help_text in sketch.TABLES.items()
        }
    )
    metrics = sketch.SketchMetrics(registry)
    desks = sketch.Desks(app, tables, book_of(settings, tokens), metrics)
    decisions = topics.transaction_decisions.name
    publications = publish.Publications(
        app,
        app.tables.add(GroupTable(app, settings.topic_partitions)),
        publish.Anonymity(make=anonymizer_maker(settings), row_token_of=tokens.tokenizer("row")),
        topic=topics.anonymized_transactions.name,
        committed_offset_of=lambda partition: app.consumer.committed_offset(TP(decisions, partition)),
        metrics=anonymize.AnonymityMetrics(registry, target_of(settings), settings.anonymity_limit_s),
    )
    names = publish.Names(
        decisions=decisions,
        alerts=topics.potential_fraud.name,
    )
    publish.connect(
        app,
        inputs,
        names,
        desks,
        publications,
        refusals=Refusals(topics.dead_letters.name, registry, (decisions, topics.potential_fraud.name)),
        events=EventMetrics(registry),
        metrics=metrics,
    )
    gatherer = Gatherer(app, desks, topics.transaction_decisions.name, peer_token(tokens.keys))
    serve_queries(app, gatherer, pane_ms=settings.view_pane_s * 1000)
    watch_card_testing(
        app,
        gatherer,
        card_testing_bounds(settings),
        topic=topics.card_testing_alerts.name,
        every_s=settings.card_testing_check_s,
        registry=registry,
    )
    follow_key_file(app, tokens)
    if settings.epsilon_per_hour:
        publishing = Publishing(
            app,
            gatherer,
            app.tables.add(make_budget(app, settings.topic_partitions)),
            statistics_plan(settings),
            topic=topics.public_statistics.name,
            registry=registry,
        )
        periodically(app, settings.card_testing_check_s, publishing.look, "publish statistics")
    hold_s = settings.snapshot_interval_s + settings.anonymity_limit_s
    watch_worker(app, registry, settings, hold_s=hold_s)
    limit_log_rate("aiokafka")
    return app


def statistics_plan(settings: Settings) -> Plan:
    """What is published of hours, by the settings; decisions are final a grace period after the hour."""
    return Plan(
        epsilon_per_hour=settings.epsilon_per_hour,
        epsilon_per_day=settings.epsilon_per_day,
        lag_ms=round((2 * settings.grace_period_s + 60) * 1000),
        bounds=Bounds(
            rows_per_person=settings.public_rows_per_device, most_amount=settings.public_most_amount
        ),
        categories=PUBLIC_CATEGORIES,
    )
